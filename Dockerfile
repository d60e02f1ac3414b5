# The binary is built before (`make build`): static, so that nothing else is needed, and at this path.
FROM scratch
ARG BINARY=target/x86_64-unknown-linux-gnu/release/crg-pipe
COPY ${BINARY} pipe.yml README.md LICENSE /
# No USER, so root: a pipe writes into folders of the step's clone and of the pipe storage, which belong to root.
ENTRYPOINT ["/crg-pipe"]
