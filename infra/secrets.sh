#!/usr/bin/env bash
# Adds versions to the secrets. Passwords are generated, so nobody sees or types them.
#
# Usage: infra/secrets.sh PROJECT database|webhook...
#   infra/secrets.sh bike-traffic-dev database
#
#   database  sets a new password for MLflow's database user, which it creates if needed, and stores
#             the URL of the database with this password
#   webhook   reads the address of a chat's webhook from standard input and stores it
#
# Afterwards, raise `secret_generation` in environments/*.tfvars and deploy. The script needs gcloud,
# logged in with roles/cloudsql.admin and roles/secretmanager.secretVersionAdder.
set -euo pipefail

readonly instance=mlflow user=mlflow database=mlflow

usage() {
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}

say() { printf '%s\n' "$*"; }

# Hexadecimal, so the password needs no escaping in a URL.
new_password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

add_version() { # SECRET; reads the value from standard input
  gcloud secrets versions add "$1" --project="$project" --data-file=- --format='value(name)'
}

database() {
  local password described connection has_public_address address location
  password=$(new_password)
  described=$(gcloud sql instances describe "$instance" --project="$project" \
    --format='value(connectionName,settings.ipConfiguration.ipv4Enabled,ipAddresses[0].ipAddress)')
  IFS=$'\t' read -r connection has_public_address address <<<"$described"
  # Passed in a file, because other users of this machine can read the arguments of a command.
  printf -- '--password: "%s"\n' "$password" >"$flags"
  if gcloud sql users list --instance="$instance" --project="$project" --format='value(name)' | grep -qx "$user"; then
    say "setting a new password for the database user $user"
    gcloud sql users set-password "$user" --instance="$instance" --project="$project" --flags-file="$flags" --quiet
  else
    say "creating the database user $user"
    gcloud sql users create "$user" --instance="$instance" --project="$project" --flags-file="$flags"
  fi
  # Cloud Run's connector, or the private address, if the instance has no other.
  location="/$database?host=/cloudsql/$connection"
  [ "$has_public_address" != False ] || location="$address/$database?sslmode=require"
  # The URL names the driver, because SQLAlchemy's default driver is not in the image.
  printf 'postgresql+psycopg2://%s:%s@%s' "$user" "$password" "$location" | add_version mlflow-database
}

webhook() {
  local address
  [ ! -t 0 ] || say "paste the address of the webhook, which is not shown, and press Enter" >&2
  IFS= read -rs address || true
  case $address in
    https://*) printf '%s' "$address" | add_version notify-webhook ;;
    *) say "the address of a webhook starts with https://" >&2; exit 1 ;;
  esac
}

[ $# -ge 2 ] || usage
readonly project=$1
shift
for secret in "$@"; do
  case $secret in
    database | webhook) ;;
    *) usage ;;
  esac
done
command -v gcloud >/dev/null || { say "gcloud is missing; to install it, see https://cloud.google.com/sdk/docs/install" >&2; exit 1; }
flags=$(mktemp)
readonly flags
trap 'rm -f "$flags"' EXIT
for secret in "$@"; do
  "$secret"
done
