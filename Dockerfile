# syntax=docker/dockerfile:1

# Alpine's Rust builds for musl, so the binary is static on every architecture without naming one.
FROM rust:1-alpine AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin podmeter \
    && cp target/release/podmeter /podmeter

FROM scratch
LABEL org.opencontainers.image.title="podmeter" \
      org.opencontainers.image.description="A sidecar that shows what a pod does without touching its code" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /podmeter /podmeter
# The user whose traffic the redirection leaves alone.
USER 1337:1337
# The sidecar: metrics, health, redirected inbound connections. The injector: its webhook, health and metrics.
EXPOSE 15090 15021 15006 8443 15014
ENTRYPOINT ["/podmeter"]
