# Build, try, test and release crg-pipe. A machine with Rust is enough: `make test` installs what else it needs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.PHONY: build image demo test bench lint size tools release-check

# dockerd and docker-registry live in folders that a plain user's PATH may lack.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

# The target of the binary: this machine's, or for instance aarch64-unknown-linux-gnu or x86_64-unknown-linux-musl.
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
TARGET ?= $(HOST)
BINARY := target/$(TARGET)/release/crg-pipe
IMAGE ?= crg-pipe:dev

# The start code of glibc 2.36 and later applies packed relocations. Unwind tables, of no use to a binary that aborts on
# panic, are left out by the linker (lld or GNU's), since rustc's own option leaves most of them: 400 kB.
comma := ,
GLIBC := $(shell getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')
PACKED := $(if $(and $(GLIBC),$(filter $(HOST),$(TARGET)),$(filter 2.36,$(shell printf '%s\n' 2.36 $(GLIBC) | sort -V | head -1))),-C link-arg=-Wl$(comma)-z$(comma)pack-relative-relocs)

# `+crt-static` only works with `--target`: without it the flag hits procedural macros as well.
build:
	RUSTFLAGS="$${RUSTFLAGS:-} -C target-feature=+crt-static -C force-unwind-tables=no $(PACKED) \
	  -C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,.ci/no-unwind-tables.ld" \
	  cargo build --release --locked --target $(TARGET) --target-dir target
	@if readelf --program-headers --wide $(BINARY) | grep -q INTERP; then \
	  echo "$(BINARY) is not static: it asks for a dynamic loader, which a scratch image lacks" >&2; exit 1; \
	fi
	@ls -l $(BINARY)

image: build
	docker build --build-arg BINARY=$(BINARY) --tag $(IMAGE) .

demo:
	cargo run --quiet --locked --example sandbox

# The servers that the tests drive need root, for bridges and namespaces; the build does not.
ifneq ($(shell id -u),0)
test: export CARGO_TARGET_$(shell tr 'a-z-' 'A-Z_' <<< '$(HOST)')_RUNNER = sudo --preserve-env env PATH=$(PATH)
endif
test: tools
	$(MAKE) build TARGET=$(HOST)
	cargo test --locked --no-fail-fast

# Beside skopeo, and crane, regctl and oras where they are on the PATH; about ten minutes. It is the release binary
# that is measured; the bench itself is built as the tests are.
bench: tools
	$(MAKE) build TARGET=$(HOST)
	CRG_PIPE=target/$(HOST)/release/crg-pipe cargo bench --locked --profile dev --bench peers

# Installs what the build and the tests need and this machine lacks: a C compiler, a Docker Engine (its daemon need not
# run), Debian's registry, skopeo. `docker` and `dockerd` are looked for apart: either may be there without the other.
tools:
	@missing=(); \
	need() { command -v "$$1" >/dev/null || missing+=("$${@:2}"); }; \
	need cc gcc libc6-dev; \
	need dockerd docker.io; \
	need docker-registry docker-registry; \
	need skopeo skopeo; \
	need ip iproute2; \
	need curl curl; \
	[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates); \
	lacks_client=$$(command -v docker || echo yes); \
	if [ $${#missing[@]} -eq 0 ] && [ "$$lacks_client" != yes ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "the tests need what these Debian packages hold: $${missing[*]} docker; install it, then run \`make test\` again" >&2; \
	  exit 1; \
	fi; \
	sudo=; if [ "$$(id -u)" -ne 0 ]; then sudo=sudo; fi; \
	echo "make test: refreshing the list of packages, to install what the tests need"; \
	$$sudo apt-get update -qq; \
	if [ "$$lacks_client" = yes ]; then \
	  if apt-cache show docker-cli >/dev/null 2>&1; then missing+=(docker-cli); \
	  elif [[ " $${missing[*]} " != *" docker.io "* ]]; then missing+=(docker.io); fi; \
	fi; \
	echo "make test: installing $${missing[*]}"; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}"

# cargo-deny: an installed one serves, else it is built into .tools (about five minutes, once).
DENY_VERSION := 0.20.2
lint: export PATH := $(CURDIR)/.tools/bin:$(PATH)
lint:
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny --version $(DENY_VERSION) --root .tools
	cargo deny --locked check --hide-inclusion-graph licenses bans sources
	@if grep -rnE 'todo!|dbg!|unimplemented!|#\[ignore|FIXME' src tests $(wildcard examples); then \
	  echo "left behind: finish it or take it out" >&2; exit 1; \
	fi

# What a step downloads, as registries store it, and what it unpacks.
size: build
	@printf 'binary            %8d bytes\n' "$$(stat --format=%s $(BINARY))"
	@printf 'compressed layer  %8d bytes\n' \
	  "$$(tar --create --transform='s,.*/,,' $(BINARY) pipe.yml README.md LICENSE | gzip -6 | wc -c)"

# One version everywhere: `make release-check VERSION=0.1.0`, where VERSION is the Git tag.
release-check:
	@wrong=0; \
	want() { grep -qE "$$2" "$$1" || { echo "$$1 does not name version $(VERSION)" >&2; wrong=1; }; }; \
	[[ "$(VERSION)" =~ ^[0-9]+\.[0-9]+\.[0-9]+$$ ]] || { echo "the tag must be X.Y.Z, without a \`v\`: $(VERSION)" >&2; exit 1; }; \
	v="$(subst .,\.,$(VERSION))"; \
	want Cargo.toml "^version = \"$$v\"$$"; \
	want pipe.yml "^image: crgpipe/crg-pipe:$$v(@sha256:[0-9a-f]{64})?$$"; \
	want README.md "pipe: crgpipe/crg-pipe:$$v$$"; \
	want README.md "pipe: docker://crgpipe/crg-pipe:$$v$$"; \
	want CHANGELOG.md "^## $$v( |$$)"; \
	exit $$wrong
