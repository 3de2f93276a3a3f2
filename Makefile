# Build, demo, test and measure from a checkout. `make help` lists the targets.

.DEFAULT_GOAL := help
.PHONY: help build demo test fuzz bench fmt clippy

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the release binary, target/release/streamgate
	@scripts/install build
	cargo build --release --locked

demo: ## Run the gateway in front of a demo origin on 127.0.0.1:8080, control port 127.0.0.1:9090
	@scripts/install build
	cargo build --locked
	target/debug/streamgate demo

test: ## Check format and lints, run every test, and print the totals
	@scripts/install test
	@scripts/test

fuzz: ## Fuzz every token format, FUZZ_SECONDS=60 each (installs cargo-fuzz if missing)
	@scripts/install build
	@scripts/fuzz

bench: ## Run the benchmarks and print the results
	@scripts/install build
	cargo bench --locked

fmt: ## Format the Rust sources
	cargo fmt

clippy: ## Run the lints; warnings are errors
	@scripts/install build
	cargo clippy --locked --all-targets -- -D warnings
