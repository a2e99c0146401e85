# Builds the program, and an image that holds it and nothing else that is ours.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && strip --strip-debug -o /scrip target/release/scrip

FROM debian:bookworm-slim
# Stripe and trace collectors are reached over TLS, whose roots are the system's.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin scrip && install -d -o scrip -g scrip /data
COPY --from=build /scrip /usr/local/bin/scrip
USER 10001:10001
ENV DATABASE_URL=sqlite:/data/scrip.db SCRIP_LISTEN=0.0.0.0:4000
VOLUME /data
EXPOSE 4000
STOPSIGNAL SIGTERM
ENTRYPOINT ["scrip"]
CMD ["serve"]
