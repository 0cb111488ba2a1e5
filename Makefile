# Every target is one command; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Rust installs itself here; a shell that was open before does not know it yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)
# XGBoost's threads sleep while they wait, so that they do not take the cores from one another.
export OMP_WAIT_POLICY := passive

NEXTEST := 0.9.143
CLIPPY_TARGETS := --workspace --all-targets --features tests/emulators
EMULATORS := .venv-emulators/bin/python tests/emulators/emulators.py

# Of the cloud: which environment, and which images. An earlier tag brings back what ran then. What is not committed is
# told apart by a checksum, so that a deployment sees that images have changed.
ENV ?= dev
TAG ?= $(shell git describe --always --abbrev=12 --dirty=-$$(git diff HEAD | git hash-object --stdin | cut -c1-8)-dirty)
# Where the sources are, as images say it: a web address, without a login.
SOURCE ?= $(shell git config --get remote.origin.url | sed -E 's|^git@([^:]+):|https://\1/|; s|^ssh://|https://|; s|//[^/@]*@|//|; s|\.git$$||')
FUNCTIONS := drift-check evaluate fine-tune ingest predict promote
# Whose accounts terraform may act as is said long before it does: a right takes minutes to be known everywhere.
FOUNDATION = google_artifact_registry_repository.images google_secret_manager_secret.secret google_sql_database.mlflow \
  google_service_account_iam_member.deployer $(foreach function,$(FUNCTIONS),module.function["$(function)"].google_service_account_iam_member.deployer)
# What infra/environments/ENV.tfvars says, and what follows from it.
setting = $(shell sed -nE 's/^$(1) *= *"(.*)"/\1/p' infra/environments/$(ENV).tfvars)
PLACE = $(call setting,region)-docker.pkg.dev
REGISTRY = $(PLACE)/$(call setting,project_id)/bike-traffic
# The time is that of the commit, so that one commit makes one image. Attestations need another builder: docs/deploy.md.
BUILD = docker build --build-arg VERSION=$(TAG) --build-arg REVISION=$$(git rev-parse HEAD) \
  --build-arg CREATED=$$(git show --no-patch --format=%cI HEAD) --build-arg SOURCE='$(SOURCE)'
TERRAFORM = TF_DATA_DIR=$(CURDIR)/target/terraform/$(ENV) terraform -chdir=infra
VARIABLES = -var-file=environments/$(ENV).tfvars -var=image_tag=$(TAG)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.PHONY: run
run: compiler cargo ## Build, train, and live through the weeks of the live data (sample data, unless TRAIN_DATA_PATH, TEST_DATA_PATH and LIVE_DATA_PATH are set)
	cargo build --release --locked --package cli
	target/release/bike-traffic run

.PHONY: test
test: compiler cargo nextest ## Install what is missing and run all tests
	cargo test --locked --workspace --doc --quiet
	cargo nextest run --locked --workspace

.PHONY: emulators
emulators: emulators-venv ## Start emulators of Pub/Sub, Cloud Storage and BigQuery and an MLflow server on this machine
	$(EMULATORS) start

.PHONY: emulators-stop
emulators-stop: ## End what `make emulators` started
	$(EMULATORS) stop

.PHONY: test-emulators
test-emulators: compiler cargo nextest emulators-venv ## Start emulators of their own, run all tests that need them, and stop them
	cargo build --locked --workspace --features tests/emulators --bins --tests
	$(EMULATORS) run --state target/emulators -- \
	  cargo nextest run --locked --package tests --features emulators --test emulators

.PHONY: lint
lint: compiler cargo ## Check format, lints and documentation
	cargo fmt --all --check
	cargo clippy --locked $(CLIPPY_TARGETS) -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps --document-private-items --quiet

.PHONY: bench
bench: compiler cargo ## Measure the figures of the README (real data if the data paths are set)
	cargo build --release --locked --workspace
	cargo bench --locked --package cli --bench speed

.PHONY: bench-memory
bench-memory: compiler cargo emulators-venv ## Measure the memory of functions on 900,000 rows, on emulators
	cargo build --locked --workspace --features tests/emulators --bins --tests --benches
	$(EMULATORS) run --state target/emulators -- \
	  cargo test --locked --workspace --features tests/emulators --bench speed -- memory

.PHONY: bench-pandas
bench-pandas: venv ## Measure pandas on the same file as `make bench`: TRAIN_DATA_PATH must be set
	.venv/bin/python cli/benches/speed/pandas_features.py "$${TRAIN_DATA_PATH:?set it to the training file}"

.PHONY: build
build: compiler cargo ## Build everything in release mode
	cargo build --release --locked --workspace

.PHONY: dist
dist: build ## Put the functions' release binaries into dist/ and show that each starts alone and answers
	tests/dist.sh dist

.PHONY: clean-state
clean-state: ## Remove the local state of all runs, sample data included
	rm -rf state

.PHONY: infra-check
infra-check: shellcheck ## Check infra/: scripts, format, validity and tests, without an account
	infra/check.sh

.PHONY: images
images: environment ## Build the images of the functions and of MLflow for ENV (dev or prod), tagged with the commit
	for function in $(FUNCTIONS); do $(BUILD) --build-arg FUNCTION=$$function --tag $(REGISTRY)/$$function:$(TAG) .; done
	$(BUILD) --tag $(REGISTRY)/mlflow:$(TAG) infra/mlflow

.PHONY: push
push: images ## Build the images and push them to the registry of ENV
	gcloud auth print-access-token --impersonate-service-account=$(call setting,deployer) | docker login --username oauth2accesstoken --password-stdin https://$(PLACE)
	for image in $(FUNCTIONS) mlflow; do docker push $(REGISTRY)/$$image:$(TAG); done
	@echo "pushed with TAG=$(TAG)"

.PHONY: foundation
foundation: terraform-init ## Make what images and secrets of ENV go into, before the first deployment
	$(TERRAFORM) apply $(VARIABLES) $(foreach address,$(FOUNDATION),-target='$(address)')

.PHONY: plan
plan: terraform-init ## Show what `make deploy` would change in ENV
	$(TERRAFORM) plan $(VARIABLES)

.PHONY: deploy
deploy: terraform-init ## Bring ENV to what infra/ says, with the images of TAG, after asking
	$(TERRAFORM) apply $(VARIABLES)

.PHONY: destroy
destroy: terraform-init ## Delete everything in ENV=dev, data included, after asking
	@[ "$(ENV)" != prod ] || { echo "prod is protected: see docs/deploy.md, section \"The end\""; exit 1; }
	$(TERRAFORM) destroy $(VARIABLES)

# Mistakes that would be found out late.
.PHONY: environment
environment:
	@[ -f infra/environments/$(ENV).tfvars ] || { echo "there is no infra/environments/$(ENV).tfvars: ENV is dev or prod"; exit 1; }
	@[[ "$(ENV)" != prod || "$(TAG)" != *-dirty ]] || { echo "commit first: nobody could say what $(TAG) is"; exit 1; }

.PHONY: terraform-init
terraform-init: environment
	$(TERRAFORM) init -input=false -backend-config=environments/$(ENV).gcs.tfbackend

.PHONY: compiler
compiler:
	@command -v g++ >/dev/null || { echo "installing g++"; $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq g++ curl; }

.PHONY: cargo
cargo: compiler
	@command -v cargo >/dev/null || { echo "installing Rust"; curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --component clippy --component rustfmt; }

# Where it cannot be had, infra/check.sh says what is not checked, and with CI=true fails.
.PHONY: shellcheck
shellcheck:
	@command -v shellcheck >/dev/null || ! command -v apt-get >/dev/null || { echo "installing shellcheck"; $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq shellcheck; } || true

# The prebuilt program where it can be had, else built from source.
.PHONY: nextest
nextest: cargo
	@cargo nextest --version >/dev/null 2>&1 || { echo "installing cargo-nextest $(NEXTEST)"; \
	  curl -LsSf https://get.nexte.st/$(NEXTEST)/linux | tar zxf - -C "$$(dirname "$$(command -v cargo)")" \
	  || cargo install cargo-nextest --locked --version $(NEXTEST); }

.PHONY: venv
venv:
	@[ -x .venv/bin/python ] || python3 -m venv .venv
	@.venv/bin/pip install --quiet pandas==2.3.3 holidays==0.109

.PHONY: emulators-venv
emulators-venv:
	@command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || { echo "installing Python"; $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq python3 python3-venv; }
	@command -v java >/dev/null || { echo "installing Java"; $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq default-jre-headless; }
	@cmp -s tests/emulators/requirements.txt .venv-emulators/installed 2>/dev/null || { echo "installing the emulators' Python packages" \
	  && python3 -m venv .venv-emulators && .venv-emulators/bin/pip install --quiet --requirement tests/emulators/requirements.txt \
	  && cp tests/emulators/requirements.txt .venv-emulators/installed; }
