#!/usr/bin/env bash
# Checks that a program without Google's clients and Polars, as `make run` builds it, refuses the
# commands that need them and names the command that builds them.
#
# Usage: tests/lean.sh PROGRAM        (after cargo build --package cli --no-default-features)
set -euo pipefail
readonly program=${1:?pass the program, for example tests/lean.sh target/release/bike-traffic}

folder=$(mktemp --directory)
readonly folder
trap 'rm -r "$folder"' EXIT

refuses() { # REASON ARGUMENT...
  local reason=$1 output code=0
  shift
  output=$("$program" "$@" 2>&1) || code=$?
  if [ "$code" != 1 ] || [[ $output != *"$reason"*"run \`make build\`"* ]]; then
    printf '%s: exit code %s instead of 1 with "%s"; its output: %s\n' "$*" "$code" "$reason" "$output" >&2
    exit 1
  fi
}

readonly clients="this build has no Google Cloud and MLflow clients" polars="this build has no Polars"
refuses "$clients" status --cloud
refuses "$clients" set-up
refuses "$clients" stack --cloud
refuses "$clients" replay --cloud --from 2021-08-02T05:00:00Z --dry-run
refuses "$clients" replay --cloud --dead-letters --dry-run
refuses "$polars" merge-baseline --baseline old.csv --bq-export new.csv --no-test-set --output "$folder/next.csv"
refuses "$polars" features --input counts.csv --out "$folder/features.parquet"
refuses "$polars" export --state "$folder" --format parquet
refuses "$polars" audit --state "$folder" --out "$folder/audit.parquet"
"$program" sample-data --help >/dev/null
echo "$program names what it lacks"
