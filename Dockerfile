# syntax=docker/dockerfile:1
# The image of one function: docker build --build-arg FUNCTION=ingest .   (`make images` builds all six)
#
# All six share every layer but the last ones. Base images are pinned by tag. To pin the one that images stand on by digest
# as well, give RUNTIME_DIGEST what `docker buildx imagetools inspect IMAGE` prints, sha256:...; a label then says it too.

ARG RUST_IMAGE=rust:1.95-bookworm
# Debian 12 as well, so that the binaries find the glibc they were built with. They need libc, libm and libgcc_s, which
# the smaller `base` lacks, and nothing else: XGBoost, libstdc++ and libgomp are linked in, time zones are bundled. It
# has the certificates of authorities too, and no shell; scratch has none of these.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot
ARG RUNTIME_DIGEST=

# The sources without their contents: manifests, the binding of XGBoost (its C++ takes most of the time), and an empty
# root for every other crate. It changes only when they do, and with it the layer of the dependencies.
FROM ${RUST_IMAGE} AS skeleton
WORKDIR /source
COPY . .
RUN find . -type f ! -path './.cargo/*' ! -path './shared/xgboost/*' ! -name Cargo.toml ! -name Cargo.lock \
      ! -name lib.rs ! -name main.rs ! -path '*/src/bin/*.rs' -delete \
 && find . -name lib.rs ! -path './shared/xgboost/*' -exec truncate --size=0 {} + \
 && find . \( -name main.rs -o -path '*/src/bin/*.rs' \) ! -path './shared/xgboost/*' \
      -exec sh -c 'for root; do echo "fn main() { }" >"$root"; done' sh {} +

FROM ${RUST_IMAGE} AS build
WORKDIR /source
ENV PACKAGES="--package drift-check --package evaluate --package fine-tune --package ingest --package predict --package promote"
COPY --from=skeleton /source .
# hadolint ignore=SC2086
RUN cargo build --release --locked ${PACKAGES}
COPY . .
# cargo goes by time: what has just been copied must be newer than what was built of the skeleton.
# hadolint ignore=SC2086
RUN find . -name '*.rs' -exec touch {} + && cargo build --release --locked ${PACKAGES}

FROM build AS binary
ARG FUNCTION
RUN install -D --mode=0755 "target/release/${FUNCTION:?name it with --build-arg FUNCTION=ingest, or another}" /image/function

FROM ${RUNTIME_IMAGE}${RUNTIME_DIGEST:+@${RUNTIME_DIGEST}}
ARG FUNCTION
ARG RUNTIME_IMAGE
ARG RUNTIME_DIGEST
ARG CREATED
ARG REVISION=unknown
ARG SOURCE
ARG VERSION=unknown
LABEL org.opencontainers.image.title="bike-traffic ${FUNCTION}" \
      org.opencontainers.image.description="The function ${FUNCTION} of bike-traffic, an event-driven forecast of hourly bicycle counts" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.url="${SOURCE}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}" \
      org.opencontainers.image.base.digest="${RUNTIME_DIGEST}"
COPY --from=binary /image/function /function
# XGBoost's threads sleep while they wait: cores are shared with other instances.
ENV OMP_WAIT_POLICY=passive
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/function"]
