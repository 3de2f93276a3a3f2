# Everything a developer or an operator does from a checkout. `make help` lists it.

.DEFAULT_GOAL := help
.PHONY: help build demo test fuzz bench fmt clippy

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the release binary, target/release/streamgate
	@scripts/install build
	cargo build --release --locked

demo: build ## Run the gateway in front of a demo origin: 127.0.0.1:8080, control port 127.0.0.1:9090
	target/release/streamgate demo

test: ## Check format and lints, run every test, say how many ran
	@scripts/install test
	@scripts/test

fuzz: ## Fuzz every token format, FUZZ_SECONDS=60 each (installs cargo-fuzz if it is missing)
	@scripts/install build
	@scripts/fuzz

bench: ## Measure, and print the table of numbers
	@scripts/install build
	cargo bench --locked

fmt: ## Format the Rust sources
	cargo fmt

clippy: ## Run the lints; a warning is an error
	@scripts/install build
	cargo clippy --locked --all-targets -- -D warnings
