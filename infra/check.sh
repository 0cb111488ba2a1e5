#!/usr/bin/env bash
# Checks this folder: scripts, format, validity and tests, none of which needs an account. With the real provider where
# terraform's registry can be reached, else with a stand-in that has its schema. With CI=true nothing may be left out.
set -euo pipefail
cd "$(dirname "$0")"
readonly stand_in=../../shared/tools/terraform-check/terraform-check

say() { printf 'infra-check: %s\n' "$*"; }

not_checked() { # WHAT
  say "NOT CHECKED: $*" >&2
  # On another machine somebody who works on the functions need not care.
  if [ "${CI:-}" = true ]; then exit 1; fi
}

readonly scripts=(./*.sh tests/*.sh ../tests/*.sh ../.ci/run)
for script in "${scripts[@]}"; do bash -n "$script"; done
if command -v shellcheck >/dev/null; then
  shellcheck "${scripts[@]}"
else
  not_checked "the scripts: there is no shellcheck; on Debian \`make infra-check\` installs it"
fi
tests/bootstrap.sh

# What an alert names must be there: the section of the runbook, and the message in the code.
grep -ohE 'runbook\} \\"[^\]+' ./*.tf | sed 's/.*"//' | while IFS= read -r section; do
  grep -qxF "### $section" ../docs/deploy.md || { say "docs/deploy.md has no section \"$section\"" >&2; exit 1; }
done
grep -ohE 'jsonPayload\.message=\\"[^\]+' ./*.tf | sed 's/.*"//' | while IFS= read -r message; do
  grep -rqF --include='*.rs' "\"$message\"" ../shared ../functions || { say "nothing logs \"$message\"" >&2; exit 1; }
done

# What an image must say of itself, and what the Makefile must tell it for that.
for label in title description version revision created source url licenses base.name base.digest; do
  for file in ../Dockerfile mlflow/Dockerfile; do
    grep -qF "org.opencontainers.image.$label=" "$file" || { say "$file has no label org.opencontainers.image.$label" >&2; exit 1; }
  done
done
images() { env -u MAKEFLAGS make --directory=.. --no-print-directory --dry-run images "ENV=$1" TAG=0123abc; }
for argument in VERSION REVISION CREATED SOURCE; do
  [ "$(images dev | grep -c -- "--build-arg $argument=")" = 2 ] || { say "make images does not give every image $argument" >&2; exit 1; }
done
grep -q 'there is no infra/environments/nowhere.tfvars' < <(images nowhere 2>/dev/null) || { say "make images takes any ENV" >&2; exit 1; }
diff <(sed -n 's/^FUNCTIONS := //p' ../Makefile | xargs -n1) <(sed -nE 's/^    "(.*)": \{$/\1/p' functions.json | sort) ||
  { say "Makefile and functions.json do not name the same functions" >&2; exit 1; }

if ! command -v terraform >/dev/null; then
  not_checked "*.tf: there is no terraform: https://developer.hashicorp.com/terraform/install"
  exit 0
fi

export CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
terraform fmt -check -recursive -diff

# In a copy, so that neither the lock file nor a state that is in use changes.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r . "$copy/infra"
rm -rf "$copy/infra/.terraform"
if TF_DATA_DIR=$copy/data terraform -chdir="$copy/infra" init -backend=false -input=false -no-color >"$copy/init" 2>&1; then
  say "with the real provider"
  export TF_DATA_DIR=$copy/data
  terraform -chdir="$copy/infra" validate -no-color
  terraform -chdir="$copy/infra" test -no-color
elif ! grep -q 'could not connect to' "$copy/init"; then
  # The registry was there: it is the configuration that terraform does not understand.
  cat "$copy/init" >&2
  exit 1
elif [ -x "$stand_in" ]; then
  say "with $stand_in, since terraform's registry cannot be reached"
  "$stand_in" .
else
  not_checked "*.tf: terraform's registry cannot be reached, and there is no $stand_in"
fi
