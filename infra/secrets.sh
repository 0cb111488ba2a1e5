#!/usr/bin/env bash
# Makes new versions of the secrets, which terraform knows by name only: nobody needs to see or type a value.
#
# Usage: infra/secrets.sh PROJECT database|password...
#   infra/secrets.sh bike-traffic-dev database password
# database: a new password of MLflow's user of the database, whom it makes if need be, and the address with it
# password: a new password with which functions log in to MLflow
#
# Afterwards raise `secret_generation` in environments/*.tfvars and deploy. Needs gcloud, logged in as somebody with
# roles/cloudsql.admin and roles/secretmanager.secretVersionAdder.
set -euo pipefail

readonly instance=mlflow user=mlflow database=mlflow

usage() {
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}

say() { printf '%s\n' "$*"; }

# Hexadecimal, so that it can stand in an address as it is.
new_password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

add_version() { # SECRET, the value on standard input
  gcloud secrets versions add "$1" --project="$project" --data-file=- --format='value(name)'
}

database() {
  local password connection
  password=$(new_password)
  connection=$(gcloud sql instances describe "$instance" --project="$project" --format='value(connectionName)')
  # By a file, since whoever is on this machine can read the arguments of a command.
  printf -- '--password: "%s"\n' "$password" >"$flags"
  if gcloud sql users list --instance="$instance" --project="$project" --format='value(name)' | grep -qx "$user"; then
    say "a new password for the user $user of the database"
    gcloud sql users set-password "$user" --instance="$instance" --project="$project" --flags-file="$flags" --quiet
  else
    say "the user $user of the database"
    gcloud sql users create "$user" --instance="$instance" --project="$project" --flags-file="$flags"
  fi
  # The driver is named: without, SQLAlchemy takes another one than the image has.
  printf 'postgresql+psycopg2://%s:%s@/%s?host=/cloudsql/%s' "$user" "$password" "$database" "$connection" |
    add_version mlflow-database
}

password() {
  new_password | add_version mlflow-password
}

[ $# -ge 2 ] || usage
readonly project=$1
shift
for what in "$@"; do
  case $what in
    database | password) ;;
    *) usage ;;
  esac
done
command -v gcloud >/dev/null || { say "gcloud is not there: https://cloud.google.com/sdk/docs/install" >&2; exit 1; }
flags=$(mktemp)
readonly flags
trap 'rm -f "$flags"' EXIT
for what in "$@"; do
  "$what"
done
