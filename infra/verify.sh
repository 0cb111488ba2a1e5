#!/usr/bin/env bash
# Checks that the latest revision of every service is ready, so that a deployment which Cloud Run
# refused does not pass for a success. Part of `make deploy`.
#
# Usage: infra/verify.sh PROJECT REGION DEPLOYER SERVICE...
#
# Impersonates the service account DEPLOYER. The script needs gcloud, logged in as a deployer.
set -euo pipefail

if [ $# -lt 4 ]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
readonly project=$1 region=$2 deployer=$3
shift 3

failed=0
for service in "$@"; do
  revisions=$(gcloud run services describe "$service" --project="$project" --region="$region" \
    --impersonate-service-account="$deployer" --quiet \
    --format='value(status.latestCreatedRevisionName,status.latestReadyRevisionName)')
  IFS=$'\t' read -r created ready <<<"$revisions"
  if [ -n "$created" ] && [ "$created" = "$ready" ]; then
    printf '%s: %s is ready\n' "$service" "$ready"
  else
    printf '%s: the latest revision %s is not ready (ready: %s); for the reason, run\n  gcloud run revisions describe %s --project=%s --region=%s\n' \
      "$service" "${created:-none}" "${ready:-none}" "${created:-REVISION}" "$project" "$region" >&2
    failed=1
  fi
done
if [ "$failed" = 1 ]; then
  printf 'to repair it, see docs/deploy.md, section "A deployment stopped half way"\n' >&2
  exit 1
fi
