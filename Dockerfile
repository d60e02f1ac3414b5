# `make image` builds the binary, static, so that nothing else is needed, and gathers these files: they are the context.
FROM scratch
COPY crg-pipe pipe.yml README.md LICENSE /
# No USER, so root: a pipe writes into folders of the step's clone and of the pipe storage, which belong to root.
ENTRYPOINT ["/crg-pipe"]
