# The image of one function: docker build --build-arg FUNCTION=ingest .
# `make images` builds all six.
#
# All six images share every layer except the last ones, and a change of the sources alone compiles
# neither the dependencies nor XGBoost. Base images are pinned by digest; the tag says where it is
# from. `docker buildx imagetools inspect IMAGE` prints the digest of a newer image, and an empty
# RUST_DIGEST or RUNTIME_DIGEST takes the tag. A label records the runtime image.

ARG RUST_IMAGE=rust:1.95-bookworm
ARG RUST_DIGEST=sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1
# Debian 12, like the build image, so that the binaries find the same glibc. They need libc, libm
# and libgcc_s; the smaller image `base` lacks libgcc_s. XGBoost, libstdc++ and libgomp are linked
# statically, and time zones are bundled. The image contains CA certificates but no shell; `scratch`
# has no certificates.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot
ARG RUNTIME_DIGEST=sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f

FROM ${RUST_IMAGE}${RUST_DIGEST:+@${RUST_DIGEST}} AS chef
RUN cargo install cargo-chef --locked --version 0.1.78
WORKDIR /source

# The recipe has the manifests, without the sources and the versions of the workspace's crates.
FROM chef AS planner
COPY . .
RUN cargo chef prepare

FROM chef AS build
ENV PACKAGES="--package drift-check --package evaluate --package fine-tune --package ingest --package predict --package promote"
# The dependencies, for empty crates of the workspace. This layer changes only with the recipe.
COPY --from=planner /source/recipe.json .
# hadolint ignore=SC2086
RUN cargo chef cook --profile dist --locked ${PACKAGES}
# XGBoost, whose C++ takes most of the time. The archive is in the target folder, outside of the
# profile. cargo-chef leaves the empty build script, because its name is not `build.rs`, and cargo
# compares modification times, so the copied one must be newer.
COPY shared/xgboost/build shared/xgboost/build
RUN touch shared/xgboost/build/main.rs \
 && cargo build --profile dist --locked --package xgboost
COPY . .
# The program states its commit in reports and runs. The build has no repository to read it from.
ARG REVISION
# The copied sources must be newer than the empty crates.
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
