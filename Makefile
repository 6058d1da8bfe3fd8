# `make demo` and `make test` are all that a new machine needs: both get first what is missing.
# Everything is built in the release profile, so that wasmtime is built once.

CARGO_FLAGS := --release --locked
HOST := $(or $(CARGO_TARGET_DIR),target)/release/udping-host
COMPONENTS := target/components

.PHONY: help setup peers languages build install uninstall deb lean demo test fuzz mutants bench compare search soak memcheck lint docs pictures release-check components clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

setup: ## Get what the build needs: the wasm32 standard library
	@scripts/setup

peers: setup ## Get the programs that tests and bench run beside ours: other pingers, reflectors, tshark, strace
	@scripts/peers

languages: setup ## Build the components of examples/ in C, Python and JavaScript, with what that needs
	@scripts/languages

build: setup ## Build udping-host with both components in it
	@[ -e $(HOST) ] || echo "building udping-host, with wasmtime in it: about 5 minutes on 2 cores, and 1.5 GB in target/"
	@cargo build $(CARGO_FLAGS) --package udping-host

install: build ## Install the host, components, manual pages, completions and systemd's units: PREFIX=/usr/local, DESTDIR=
	@scripts/install-udping $(HOST)

uninstall: build ## Remove what `make install` has installed: PREFIX=/usr/local, DESTDIR=
	@scripts/install-udping $(HOST) --remove

deb: build ## Make a Debian package in target/debian/
	@scripts/deb

lean: setup ## Build udping-host-lean, for servers: without a compiler, it runs the built-in components and .cwasm files
	@cargo build --locked --profile lean --package udping-host --no-default-features
	@mkdir -p $(dir $(HOST)) && cp $(dir $(HOST))../lean/udping-host $(HOST)-lean

demo: build ## Run the echo server and the client against each other over loopback
	@$(HOST) demo

test: peers languages ## Run every test
	cargo test $(CARGO_FLAGS)

fuzz: setup ## Fuzz each target for FUZZ_SECONDS, 600 where not set
	@scripts/fuzz

mutants: setup ## Change the code that guards, one place at a time, and see tests fail (half an hour); MUTANTS="permissions --since COMMIT" for a part
	@scripts/mutants $(MUTANTS)

bench: build lean peers languages ## Measure udping beside everything that does the same; BENCH="--only rtt" for a part, --json FILE
	@cargo build --quiet $(CARGO_FLAGS) --package udping-bench --package udping-example-std --package udping-example-tokio
	@$(dir $(HOST))bench $(BENCH)

compare: peers ## Compare HEAD with an earlier commit: throughput, RTT, start, memory; COMPARE="BASE COMMIT --pairs 40"
	@scripts/compare $(COMPARE)

search: build ## Simulate SEEDS random mixes of faults, 10,000 where not set, for each scenario in tests/scenarios
	@for scenario in tests/scenarios/*.toml; do \
		echo "$$scenario" && $(HOST) simulate --search $(or $(SEEDS),10000) "$$scenario" || exit; \
	done

soak: build peers ## Run servers for 10 minutes with load, faults and restarts, and account for it all; SOAK="--minutes 60"
	@cargo build --quiet $(CARGO_FLAGS) --package udping-soak
	@$(dir $(HOST))soak $(SOAK)

memcheck: build ## Flood the host under valgrind, on each path that datagrams take
	@scripts/memcheck

lint: setup ## Check the format, the warnings of clippy and rustdoc, and the dependencies' licences and advisories
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets --features udping-fuzz/targets -- -D warnings
	@scripts/lint-p3
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --quiet --no-deps --workspace
	scripts/deny

docs: build ## Run the transcripts in README.md and docs/, and rewrite those whose output has changed
	@scripts/docs $(HOST)

pictures: build peers ## Make the pictures of README.md and docs/ anew: look at each of them
	@HOST=$(HOST) scripts/pictures

release-check: build lean memcheck fuzz mutants ## Check what takes another build of wasmtime, or long, before a release
	scripts/check-reproducible
	scripts/check-debug
	scripts/release-notes --check
	scripts/check-deb
	scripts/check-package
	scripts/check-elsewhere

components: build ## Leave client.wasm and server.wasm, and those for WASI 0.3, in target/components/
	@mkdir -p $(COMPONENTS)
	@$(HOST) emit client > $(COMPONENTS)/client.wasm
	@$(HOST) emit server > $(COMPONENTS)/server.wasm
	@$(HOST) emit --wasi 0.3 client > $(COMPONENTS)/client-p3.wasm
	@$(HOST) emit --wasi 0.3 server > $(COMPONENTS)/server-p3.wasm
	@ls $(COMPONENTS)/*.wasm

clean: ## Remove everything that was built
	cargo clean
