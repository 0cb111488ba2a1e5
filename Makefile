# `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# rustup installs programs here, and open shells do not have the directory in their PATH yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)

CLIPPY_TARGETS := --workspace --all-targets --features tests/emulators
EMULATORS := .venv-emulators/bin/python tests/emulators/emulators.py

FUZZ_TARGETS = $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
# An input has at most 64 KiB. It is a failure if it takes 10 s or 1 GiB of memory.
FUZZ_OPTIONS := -max_len=65536 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1

# The environment, dev or prod, and the tag of the images. To roll back, deploy an earlier tag. A
# checksum of uncommitted changes is part of the tag, so a deployment notices that images changed.
ENV ?= dev
TAG ?= $(shell git describe --always --abbrev=12 --dirty=-$$(git diff HEAD | git hash-object --stdin | cut -c1-8)-dirty)
# The URL of the repository in the labels of images: https, without credentials.
SOURCE ?= $(shell git config --get remote.origin.url | sed -E 's|^git@([^:]+):|https://\1/|; s|^ssh://|https://|; s|//[^/@]*@|//|; s|\.git$$||')
FUNCTIONS := drift-check evaluate fine-tune ingest predict promote
SERVICES := $(FUNCTIONS) mlflow
# The resources that images and secrets need, terraform's right to act as service accounts, and the
# rights without which Cloud Run refuses a revision. IAM takes minutes to apply a new right, so all
# are granted before the first deployment. Metrics take minutes to become known, too.
FOUNDATION = google_artifact_registry_repository.images google_secret_manager_secret.secret google_sql_database.mlflow \
  google_service_account_iam_member.deployer google_secret_manager_secret_iam_member.mlflow google_project_iam_member.mlflow_database \
  google_logging_metric.decisions google_logging_metric.first_forecasts google_logging_metric.late_forecasts \
  google_logging_metric.late_weeks google_logging_metric.quality \
  $(foreach function,$(FUNCTIONS),module.function["$(function)"].google_service_account_iam_member.deployer) \
  $(foreach function,$(FUNCTIONS),module.function["$(function)"].google_secret_manager_secret_iam_member.reads)
# Values of infra/environments/ENV.tfvars.
setting = $(shell sed -nE 's/^$(1) *= *"(.*)"/\1/p' infra/environments/$(ENV).tfvars)
REGISTRY_HOST = $(call setting,region)-docker.pkg.dev
REGISTRY = $(REGISTRY_HOST)/$(call setting,project_id)/bike-traffic
# CREATED is the time of the commit, so that each commit has one image. Cloud Run runs linux/amd64
# only, and a Mac would build for itself.
BUILD = docker build --platform=linux/amd64 --build-arg VERSION=$(TAG) --build-arg REVISION=$$(git rev-parse HEAD) \
  --build-arg CREATED=$$(git show --no-patch --format=%cI HEAD) --build-arg SOURCE='$(SOURCE)'
TERRAFORM = TF_DATA_DIR=$(CURDIR)/target/terraform/$(ENV) terraform -chdir=infra
VERIFY = infra/verify.sh $(call setting,project_id) $(call setting,region) $(call setting,deployer) $(SERVICES)
VARIABLES = -var-file=environments/$(ENV).tfvars -var=image_tag=$(TAG)
# The digests of the images of TAG, for a plan and a deployment.
DIGESTS = target/terraform/$(ENV)/images.tfvars.json
READ_DIGESTS = infra/digests.sh $(REGISTRY) $(TAG) $(call setting,deployer) $(DIGESTS) $(FUNCTIONS) mlflow
BY_DIGEST = -var-file=$(CURDIR)/$(DIGESTS) $(VARIABLES)

# Stops if a program is missing. $(1): the program, $(2): how to install it.
require = @command -v $(1) >/dev/null || { echo "$(1) is missing; to install it: $(2)" >&2; exit 1; }

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

.PHONY: setup
setup: ## Install g++, curl, Rust and cargo-nextest if they are missing
	@.ci/setup build

.PHONY: setup-emulators
setup-emulators: ## Install Python, Java and the emulators' Python packages if they are missing
	@.ci/setup emulators

.PHONY: setup-browser
setup-browser: ## Install Python, Chromium and a font if they are missing
	@.ci/setup browser

.PHONY: setup-mlflow
setup-mlflow: ## Install PostgreSQL, and MLflow with the emulators' Python packages, if they are missing
	@.ci/setup mlflow

.PHONY: setup-infra
setup-infra: ## Install shellcheck, hadolint, check-jsonschema and actionlint if they are missing
	@.ci/setup infra

.PHONY: setup-deny
setup-deny: setup ## Install cargo-deny if the pinned version is missing
	@.ci/setup deny

.PHONY: setup-machete
setup-machete: setup ## Install cargo-machete if the pinned version is missing
	@.ci/setup machete

.PHONY: setup-fuzz
setup-fuzz: setup ## Install cargo-fuzz if the pinned version is missing
	@.ci/setup fuzz

.PHONY: setup-pandas
setup-pandas: ## Install pandas in .venv
	@.ci/setup pandas

.PHONY: setup-peers
setup-peers: ## Install the Python packages of `make bench-peers` in .venv-peers
	@.ci/setup peers

# The first build for `make run` has no Google Cloud and MLflow clients and no Polars. A program that
# `make build` has built stays complete.
LEAN := --package cli --no-default-features
RUN_BUILD = $(if $(wildcard target/release/drift-check),--workspace,$(LEAN))
# cargo does not show the output of a build script before its end.
SAY_XGBOOST = $(if $(wildcard target/xgboost-*-static/*/libxgboost.a),,@echo "compiling XGBoost from source, once; cargo shows it as xgboost(build)" >&2)

.PHONY: run
run: setup ## Build, train, and process the weeks of the live data (sample data, unless TRAIN_DATA_PATH, TEST_DATA_PATH and LIVE_DATA_PATH are set)
	$(SAY_XGBOOST)
	cargo build --release --locked $(RUN_BUILD) --bin bike-traffic
	target/release/bike-traffic run

.PHONY: test
test: setup ## Run all tests that need no emulators
	cargo test --locked --workspace --doc --quiet
	cargo nextest run --locked --workspace

# cargo-fuzz does not know --locked, so `cargo fetch` checks the lock file. Without a sanitizer, the
# stable toolchain suffices. A crash is written to target/fuzz/TARGET/artifacts.
.PHONY: fuzz
fuzz: setup-fuzz ## Run each fuzz target, or only TARGET, for SECONDS (60), until a check fails
	@cargo fetch --locked --quiet --manifest-path fuzz/Cargo.toml || { echo "to update fuzz/Cargo.lock: cp Cargo.lock fuzz/ && cargo fetch --manifest-path fuzz/Cargo.toml" >&2; exit 1; }
	for target in $(or $(TARGET),$(FUZZ_TARGETS)); do \
	  folder=target/fuzz/$$target; mkdir -p $$folder/corpus $$folder/artifacts; \
	  dictionary=fuzz/dictionaries/$$target; [ -f $$dictionary ] || dictionary=fuzz/dictionaries/json; \
	  cargo fuzz run --fuzz-dir fuzz --sanitizer none --target-dir target $$target $$folder/corpus fuzz/seeds/$$target -- \
	    $(FUZZ_OPTIONS) -max_total_time=$(or $(SECONDS),60) -dict=$$dictionary -artifact_prefix=$$folder/artifacts/; \
	done

# SEED repeats one schedule and prints its steps. SCHEDULES and FIRST_SEED set the seeds of a run.
SEED ?=
SCHEDULES ?= 100000
FIRST_SEED ?= 0

.PHONY: simulate
simulate: require-cargo ## Simulate SCHEDULES=100000 schedules of messages and faults, or repeat that of SEED
	SEED='$(SEED)' SCHEDULES='$(SCHEDULES)' FIRST_SEED='$(FIRST_SEED)' \
	  cargo test --locked --workspace --test simulation $(if $(SEED),,--release) -- --nocapture --exact every_schedule_keeps_the_invariants

.PHONY: simulate-reverts
simulate-reverts: require-cargo ## Show that the simulation finds each fault, or only FAULT, when its fix is taken back
	python3 tests/tests/simulation/reverts.py $(FAULT)

.PHONY: emulators
emulators: setup-emulators ## Start emulators of Pub/Sub, Cloud Storage and BigQuery, and an MLflow server
	$(EMULATORS) start

.PHONY: emulators-run
emulators-run: setup setup-emulators ## Run the functions as processes on emulators of their own, and play a week (sample data, unless the data paths are set)
	cargo build --release --locked --workspace
	GCS_BUCKET=bike-traffic GOOGLE_CLOUD_PROJECT=local $(EMULATORS) run --state state/emulators-run -- \
	  target/release/bike-traffic stack --cloud

.PHONY: emulators-stop
emulators-stop: ## Stop the emulators that `make emulators` started
	$(EMULATORS) stop

.PHONY: test-emulators
test-emulators: setup setup-emulators ## Run all tests that need emulators, on emulators of their own
	cargo build --locked --workspace --features tests/emulators --bins --tests
	$(EMULATORS) run --state target/emulators -- \
	  cargo nextest run --locked --package tests --features emulators --test emulators

# The folder of the pictures. `make test-browser PICTURES=docs/pictures` renews those of the documents.
PICTURES ?= target/pictures

# The build is that of `make test`. The tests of the report write pages with 56 counters and each kind
# of gap.
.PHONY: test-browser
test-browser: setup setup-browser ## Open the pages of a run on sample data in Chromium, check them, and write pictures to PICTURES
	cargo nextest run --locked --workspace --filterset 'package(report) & test(pages_are_written_for_a_browser)'
	python3 tests/browser/pages.py sample target/debug/bike-traffic target/pages --pictures $(PICTURES)

.PHONY: test-mlflow
test-mlflow: setup-mlflow ## Start infra/mlflow/start.py with PostgreSQL, and count its connections
	.venv-emulators/bin/python infra/tests/mlflow_start.py

.PHONY: test-lean
test-lean: require-cargo ## Check that the program that `make run` builds names what it lacks
	cargo test --locked --quiet --package runtime --package tables --no-default-features
	cargo build --release --locked $(LEAN) --bin bike-traffic
	tests/lean.sh target/release/bike-traffic

.PHONY: lint
lint: require-cargo ## Check formatting, lints and documentation
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked $(CLIPPY_TARGETS) -- --deny warnings
	cargo clippy --locked $(LEAN) -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps --document-private-items --quiet

.PHONY: words
words: ## Check that no file uses a replaced term
	tests/words.sh

.PHONY: deny
deny: setup-deny ## Check the dependencies: bans, licenses and sources
	cargo fetch --locked --quiet --target x86_64-unknown-linux-gnu
	cargo deny --offline --locked check --hide-inclusion-graph bans licenses sources

.PHONY: advisories
advisories: setup-deny ## Check the dependencies for security advisories (downloads the advisory database)
	cargo deny --locked check advisories

.PHONY: machete
machete: setup-machete ## Check for unused dependencies
	cargo machete --skip-target-dir

# These builds link XGBoost's library of the CUDA wheel. Their folder is separate, so that neither they
# nor other builds start over. The binary finds the library by its own location.
CUDA_WHEEL := target/cuda/wheel
CUDA_CARGO = XGBOOST_LIB_DIR=$(CURDIR)/$(CUDA_WHEEL)/xgboost/lib cargo

.PHONY: setup-cuda
setup-cuda: setup ## Download XGBoost's library with CUDA into target/cuda/wheel
	@.ci/setup cuda

.PHONY: cuda
cuda: setup-cuda ## Build bike-traffic for --device cuda into target/cuda/release
	$(CUDA_CARGO) rustc --release --locked --target-dir target/cuda --package cli --bin bike-traffic -- \
	  -C 'link-arg=-Wl,-rpath,$$ORIGIN/../wheel/xgboost/lib'
	target/cuda/release/bike-traffic --version

.PHONY: test-cuda
test-cuda: setup-cuda ## Run the tests of training with XGBoost's CUDA library; fails without an NVIDIA GPU
	REQUIRE_CUDA=1 $(CUDA_CARGO) test --locked --target-dir target/cuda --package xgboost --package model

.PHONY: bench-cuda
bench-cuda: cuda ## Time training on 0.7 and 7 million rows on the CPU and on an NVIDIA GPU, and write the table into docs/training.md
	python3 tests/scale/cuda.py --write

.PHONY: bench
bench: require-cargo ## Measure the figures of docs/performance.md (real data if the data paths are set)
	cargo build --release --locked --workspace
	cargo bench --locked --package cli --bench speed

.PHONY: bench-fine-tune
bench-fine-tune: require-cargo ## Measure the strategies of fine-tuning on 724,000 rows (real data if the data paths are set)
	cargo build --release --locked --package fine-tune
	cargo bench --locked --package cli --bench speed -- fine-tune

.PHONY: bench-memory
bench-memory: require-cargo setup-emulators ## Measure the memory of functions with hostile input, and with 900,000 rows on emulators
	cargo build --locked --workspace --features tests/emulators --bins --tests --benches
	cargo test --locked --workspace --features tests/emulators --bench speed -- memory-hostile
	$(EMULATORS) run --state target/emulators -- \
	  cargo test --locked --workspace --features tests/emulators --bench speed -- memory

.PHONY: bench-peers
bench-peers: require-cargo setup-peers ## Compare speed and memory with Python (Evidently, pandas, XGBoost, FastAPI), and write the table into the documents
	cargo build --release --locked --workspace
	cargo bench --locked --package cli --bench speed --no-run
	.venv-peers/bin/python tests/peers/bench.py --write

.PHONY: bench-busy
bench-busy: require-cargo ## Time training beside a process that burns one core, and write the table into docs/performance.md
	cargo build --release --locked --package cli
	python3 tests/peers/busy.py --write

.PHONY: bench-scale
bench-scale: require-cargo ## Measure the work of a city of 56 counters and of one of 560, and write the tables into docs/scale.md (takes 15 minutes)
	cargo build --release --locked --workspace
	python3 tests/scale/bench.py --write

.PHONY: bench-pandas
bench-pandas: setup-pandas ## Measure pandas with the file of `make bench` (TRAIN_DATA_PATH must be set)
	.venv/bin/python cli/benches/speed/pandas_features.py "$${TRAIN_DATA_PATH:?set it to the path of the training file}"

.PHONY: build
build: require-cargo ## Build everything in release mode: the functions, and bike-traffic with all commands
	$(SAY_XGBOOST)
	cargo build --release --locked --workspace

.PHONY: dist
dist: require-cargo ## Copy the functions' binaries, as in images, into dist/ and check that each starts and is ready
	cargo build --profile dist --locked $(addprefix --package ,$(FUNCTIONS))
	tests/dist.sh dist

.PHONY: docs-pictures
docs-pictures: setup ## Draw docs/pictures from runs on the files of the data paths, or on sample data (needs Chromium, takes minutes)
	cargo build --release --locked --package cli
	tests/pictures/make.sh target/release/bike-traffic docs/pictures

.PHONY: clean-state
clean-state: ## Delete the local state of all runs, including sample data
	rm -rf state

.PHONY: infra-check
infra-check: setup-infra ## Check infra/: scripts, formatting, validity and tests, without a cloud account
	infra/check.sh

.PHONY: images
images: environment require-docker ## Build the images of the functions and of MLflow for ENV (dev or prod), tagged with the commit
	for function in $(FUNCTIONS); do $(BUILD) --build-arg FUNCTION=$$function --tag $(REGISTRY)/$$function:$(TAG) .; done
	$(BUILD) --tag $(REGISTRY)/mlflow:$(TAG) infra/mlflow

.PHONY: push
push: images require-gcloud ## Build the images and push them to the registry of ENV
	gcloud auth print-access-token --impersonate-service-account=$(call setting,deployer) | docker login --username oauth2accesstoken --password-stdin https://$(REGISTRY_HOST)
	infra/push.sh $(ENV) $(REGISTRY) $(TAG) $(call setting,deployer) $(FUNCTIONS) mlflow
	@echo "pushed with TAG=$(TAG)"

.PHONY: digests
digests: environment require-gcloud ## Write the digests of the images of TAG in ENV
	$(READ_DIGESTS)

.PHONY: registry
registry: environment
	@echo $(REGISTRY)

.PHONY: foundation
foundation: terraform-init ## Create the registry, secrets, database, accounts and their rights in ENV, before the first deployment
	$(TERRAFORM) apply $(VARIABLES) $(foreach address,$(FOUNDATION),-target='$(address)')

.PHONY: plan
plan: terraform-init require-gcloud ## Show the changes that `make deploy` would make in ENV, and save them for `make apply`
	$(READ_DIGESTS)
	$(TERRAFORM) plan -out=$(CURDIR)/target/terraform/$(ENV)/plan $(BY_DIGEST)

.PHONY: apply
apply: terraform-init require-gcloud ## Make the changes that `make plan` saved, without confirmation, and verify
	$(TERRAFORM) apply -input=false $(CURDIR)/target/terraform/$(ENV)/plan
	$(VERIFY)

.PHONY: deploy
deploy: terraform-init require-gcloud ## Deploy infra/ and the images of TAG to ENV, after confirmation, and verify
	$(READ_DIGESTS)
	$(TERRAFORM) apply $(BY_DIGEST)
	$(VERIFY)

.PHONY: verify
verify: environment require-gcloud ## Check that the latest revision of every service in ENV is ready
	$(VERIFY)

CANARY = infra/canary.sh $(call setting,project_id) $(call setting,region) $(call setting,deployer)

.PHONY: canary
canary: environment require-gcloud ## Test the image of TAG in a revision of predict without traffic, then send it all traffic
	$(READ_DIGESTS)
	$(CANARY) start $(REGISTRY)/predict@$$(sed -nE 's/.*"predict": "(sha256:[0-9a-f]+)".*/\1/p' $(DIGESTS))

.PHONY: canary-back
canary-back: environment require-gcloud ## Send all traffic of predict in ENV to the last revision with another image
	$(CANARY) back

.PHONY: destroy
destroy: terraform-init ## Delete everything in ENV=dev, including data, after confirmation
	@[ "$(ENV)" != prod ] || { echo "prod is protected: see docs/deploy.md, section \"Delete an environment\"" >&2; exit 1; }
	$(TERRAFORM) destroy $(VARIABLES)

.PHONY: environment
environment:
	@[ -f infra/environments/$(ENV).tfvars ] || { echo "infra/environments/$(ENV).tfvars does not exist: set ENV to dev or prod" >&2; exit 1; }
	@[[ "$(ENV)" != prod || "$(TAG)" != *-dirty ]] || { echo "prod accepts images of a commit only: commit your changes first" >&2; exit 1; }

.PHONY: terraform-init
terraform-init: environment require-terraform
	$(TERRAFORM) init -input=false -backend-config=environments/$(ENV).gcs.tfbackend

.PHONY: require-cargo
require-cargo:
	$(call require,g++,make setup)
	$(call require,cargo,make setup)

.PHONY: require-docker
require-docker:
	$(call require,docker,https://docs.docker.com/engine/install/)

.PHONY: require-gcloud
require-gcloud:
	$(call require,gcloud,https://cloud.google.com/sdk/docs/install)

.PHONY: require-terraform
require-terraform:
	$(call require,terraform,https://developer.hashicorp.com/terraform/install)
