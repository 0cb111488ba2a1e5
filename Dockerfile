# The image of one function: docker build --build-arg FUNCTION=ingest .
# `make images` builds all six.
#
# All six images share every layer except the last ones. Base images are pinned by digest; the tag
# says where it is from. `docker buildx imagetools inspect IMAGE` prints the digest of a newer image,
# and an empty RUST_DIGEST or RUNTIME_DIGEST takes the tag. A label records the runtime image.

ARG RUST_IMAGE=rust:1.95-bookworm
ARG RUST_DIGEST=sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1
# Debian 12, like the build image, so that the binaries find the same glibc. They need libc, libm
# and libgcc_s; the smaller image `base` lacks libgcc_s. XGBoost, libstdc++ and libgomp are linked
# statically, and time zones are bundled. The image contains CA certificates but no shell; `scratch`
# has no certificates.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot
ARG RUNTIME_DIGEST=sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f

# The manifests, the XGBoost binding (compiling its C++ takes most of the time), and an empty crate
# root for every other crate. This layer, and with it the layer of compiled dependencies, changes
# only when these files change.
FROM ${RUST_IMAGE}${RUST_DIGEST:+@${RUST_DIGEST}} AS skeleton
WORKDIR /source
COPY . .
RUN find . -type f ! -path './.cargo/*' ! -path './shared/xgboost/*' ! -name Cargo.toml ! -name Cargo.lock \
      ! -name lib.rs ! -name main.rs ! -path '*/src/bin/*.rs' -delete \
 && find . -name lib.rs ! -path './shared/xgboost/*' -exec truncate --size=0 {} + \
 && find . \( -name main.rs -o -path '*/src/bin/*.rs' \) ! -path './shared/xgboost/*' \
      -exec sh -c 'for root; do echo "fn main() { }" >"$root"; done' sh {} +

FROM ${RUST_IMAGE}${RUST_DIGEST:+@${RUST_DIGEST}} AS build
WORKDIR /source
ENV PACKAGES="--package drift-check --package evaluate --package fine-tune --package ingest --package predict --package promote"
COPY --from=skeleton /source .
# hadolint ignore=SC2086
RUN cargo build --profile dist --locked ${PACKAGES}
COPY . .
# The program states its commit in reports and runs. The build has no repository to read it from.
ARG REVISION
# cargo compares modification times, so the copied sources must be newer than the skeleton build.
RUN find . -name '*.rs' -exec touch {} + \
 && BIKE_TRAFFIC_COMMIT=${REVISION} cargo build --profile dist --locked ${PACKAGES}

FROM build AS binary
ARG FUNCTION
RUN install -D --mode=0755 "target/dist/${FUNCTION:?set it, for example --build-arg FUNCTION=ingest}" /image/function

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
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/function"]
