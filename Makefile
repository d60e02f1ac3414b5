# Build, try, test and release crg-pipe. A machine with Rust is enough: `make test` installs what else it needs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.PHONY: build image demo sandbox live picture unit properties test cross faults fuzz bench growth lint advisories size tools reproducible sbom provenance release-check

# dockerd and docker-registry live in folders that a plain user's PATH may lack.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

# The target of the binary: this machine's, or for instance aarch64-unknown-linux-gnu or x86_64-unknown-linux-musl.
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
TARGET ?= $(HOST)
BINARY := target/$(TARGET)/release/crg-pipe
IMAGE ?= crg-pipe:dev

# What the image's files are dated: the commit, so that the layer is the same wherever it is made.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

build:
	.ci/build $(TARGET)
	@ls -l $(BINARY)

# The context is what the image holds, with modes and dates that do not depend on who cloned it when.
CONTEXT := target/$(TARGET)/image
image: build
	rm -rf $(CONTEXT)
	install -D --mode=0755 $(BINARY) $(CONTEXT)/crg-pipe
	install --mode=0644 pipe.yml README.md LICENSE $(CONTEXT)
	touch --date=@$(SOURCE_DATE_EPOCH) $(CONTEXT)/*
	docker build $(BUILD_FLAGS) --file Dockerfile --tag $(IMAGE) $(CONTEXT)

demo:
	@cargo run --quiet --locked --example sandbox

# The registry of the demo alone, until Ctrl-C, with the lines that let a shell beside it run the pipe on it.
sandbox:
	@cargo build --quiet --locked --bin crg-pipe --example sandbox
	@exec cargo run --quiet --locked --example sandbox -- keep

# Asks a real registry what no documentation says of it; docs/live.md says what to set. Without YES=1 it only says what it would do.
live:
	@exec cargo run --quiet --locked --example live

# The log on the README's first screen, drawn from the demo's own output.
ifneq ($(shell id -u),0)
picture: export CARGO_TARGET_$(shell tr 'a-z-' 'A-Z_' <<< '$(HOST)')_RUNNER = sudo --preserve-env env PATH=$(PATH)
endif
picture: tools
	PICTURE=$(CURDIR)/docs/log.svg cargo test --locked --test suite -- --exact demo::picture::it_is_what_the_demonstration_shows

# The inner loop: all unit tests. Many of them wait, so more threads than cores help.
unit:
	cargo test --locked --lib -- --test-threads=8

# What must hold for every input, tried on many more inputs than `make test` has time for, and on others each time. A case that
# fails is kept in proptest-regressions, for every later run.
properties: export PROPTEST_CASES ?= 100000
properties:
	cargo test --locked --lib

# The servers that the tests drive need root, for bridges and namespaces; the build does not.
ifneq ($(shell id -u),0)
test: export CARGO_TARGET_$(shell tr 'a-z-' 'A-Z_' <<< '$(HOST)')_RUNNER = sudo --preserve-env env PATH=$(PATH)
endif
# `make test ENGINE=/path/to/dockerd` runs the same tests on another Docker, with either image store. What must hold for every
# input is tried on so many, where `make unit` takes 256.
test: export PROPTEST_CASES ?= 2000
test: tools
	$(MAKE) build TARGET=$(HOST)
	cargo test --locked --no-fail-fast

# The binary for a machine that this one is not, and what it does against a real registry, under an emulator of its processor.
CROSS := aarch64-unknown-linux-gnu
ifneq ($(shell id -u),0)
cross: export CARGO_TARGET_$(shell tr 'a-z-' 'A-Z_' <<< '$(HOST)')_RUNNER = sudo --preserve-env env PATH=$(PATH)
endif
cross: tools
	.ci/tools cross
	.ci/cross $(CROSS)
	@ls -l target/$(CROSS)/release/crg-pipe
	CRG_PIPE="$(if $(findstring aarch64,$(CROSS)),$(CURDIR)/.tools/cross/usr/bin/qemu-aarch64) $(CURDIR)/target/$(CROSS)/release/crg-pipe" \
	  cargo test --locked --test suite -- --exact registries::every_action_without_a_daemon

# The fuzz targets one after the other; what they learn stays in fuzz/corpus. `make fuzz FUZZ=archive FUZZ_SECONDS=60` runs one.
FUZZ ?= $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs)))
FUZZ_SECONDS ?= 600
FUZZ_VERSION := 0.13.2
fuzz: export PATH := $(CURDIR)/.tools/bin:$(PATH)
fuzz:
	@rustup run nightly rustc --version || { echo "fuzzing needs a nightly Rust: rustup toolchain install nightly" >&2; exit 1; }
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz --version $(FUZZ_VERSION) --root .tools
	cd fuzz; for target in $(FUZZ); do \
	  mkdir -p "corpus/$$target"; \
	  cargo +nightly fuzz run "$$target" "corpus/$$target" "seeds/$$target" -- \
	    -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=10 -print_final_stats=1; \
	done

# Beside skopeo, crane and oras, which are unpacked and not installed, and regctl where it is on the PATH; about half an hour.
# It is the release binary that is measured; the bench itself is built as the tests are. `make bench BENCH=retag` runs only the
# rows with such words in their titles, and prints them.
BENCH :=
ifneq ($(shell id -u),0)
bench: export CARGO_TARGET_$(shell tr 'a-z-' 'A-Z_' <<< '$(HOST)')_RUNNER = sudo --preserve-env env PATH=$(PATH)
endif
bench: tools
	.ci/tools peers
	$(MAKE) build TARGET=$(HOST)
	CRG_PIPE=target/$(HOST)/release/crg-pipe cargo bench --locked --profile dev --bench peers -- $(BENCH)

# What a mirror costs as it grows, written to docs/speed.md and drawn in docs/speed.svg; about two minutes.
growth: tools
	$(MAKE) build TARGET=$(HOST)
	CRG_PIPE=target/$(HOST)/release/crg-pipe cargo bench --locked --profile dev --bench peers -- growth

# What the pipe, skopeo and oras make of every fault, written to docs/faults.md; about four minutes. One of its tables:
# `make faults FAULTS=faults::no_fault_loses_anything`.
STREAMS := faults::daemon::no_broken_stream_loses_anything
LATER := faults::deleting::no_fault_deletes_what_stays faults::waiting::a_fault_that_passes_does_not_end_the_waiting
FAULTS ?= faults::no_fault_loses_anything $(LATER) $(STREAMS)::classic $(STREAMS)::containerd
ifneq ($(shell id -u),0)
faults: export CARGO_TARGET_$(shell tr 'a-z-' 'A-Z_' <<< '$(HOST)')_RUNNER = sudo --preserve-env env PATH=$(PATH)
endif
faults: tools
	.ci/tools oras
	FAULTS_PAGE=$(CURDIR)/docs/faults.md cargo test --locked --test suite -- --exact $(FAULTS)

# Installs what the build and the tests need and this machine lacks; says nothing where all is there.
tools:
	@.ci/tools

# cargo-deny: an installed one serves, else it is built into .tools (about five minutes, once).
DENY_VERSION := 0.20.2
lint: export PATH := $(CURDIR)/.tools/bin:$(PATH)
lint:
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --document-private-items
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny --version $(DENY_VERSION) --root .tools
	cargo deny --locked check --hide-inclusion-graph licenses bans sources
	@if grep -rnE 'todo!|dbg!|unimplemented!|#\[ignore|FIXME' src tests $(wildcard examples); then \
	  echo "left behind: finish it or take it out" >&2; exit 1; \
	fi

# Known vulnerabilities, unmaintained and yanked crates. It needs the network, so that it is no part of `make lint`.
advisories: export PATH := $(CURDIR)/.tools/bin:$(PATH)
advisories:
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny --version $(DENY_VERSION) --root .tools
	cargo deny --locked check --hide-inclusion-graph advisories

# Two clean builds of the last commit: the same binary, the same layer?
reproducible:
	.ci/reproducible

# The crates that the binary is made from, as CycloneDX: the same text for the same commit and target.
CYCLONEDX_VERSION := 0.5.9
SBOM := release/$(TARGET).cdx.json
sbom: export PATH := $(CURDIR)/.tools/bin:$(PATH)
sbom:
	command -v cargo-cyclonedx >/dev/null || cargo install --locked cargo-cyclonedx --version $(CYCLONEDX_VERSION) --root .tools
	mkdir -p release
	cargo cyclonedx --quiet --format json --spec-version 1.5 --all --no-build-deps --target $(TARGET) --override-filename sbom
	sed 's|$(CURDIR)|.|g' sbom.json > $(SBOM)
	rm sbom.json
	@ls -l $(SBOM)

# What the release of this target was made from: in a step of Pipelines, after `make image sbom`, with IMAGE_DIGEST as the
# registry has the image.
provenance:
	hash() { sha256sum "$$1" | cut -c1-64; }; \
	.ci/provenance release/$(TARGET).provenance.json "crg-pipe=sha256:$$(hash $(BINARY))" \
	  "$(notdir $(SBOM))=sha256:$$(hash $(SBOM))" "$(IMAGE)=$(IMAGE_DIGEST)"

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
	want docs/log.svg "pipe: crgpipe/crg-pipe:$$v<"; \
	want CHANGELOG.md "^## $$v( |$$)"; \
	! grep -rnE 'crgpipe/crg-pipe:' README.md docs/*.md | grep -vE "crgpipe/crg-pipe:$$v([^0-9.]|$$)" >&2 || wrong=1; \
	exit $$wrong
