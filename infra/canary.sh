#!/usr/bin/env bash
# Starts a new revision of predict without traffic, tests it at an address of its own, and then sends
# all traffic to it. Or goes back to the revision before.
#
# Usage: infra/canary.sh PROJECT REGION DEPLOYER start IMAGE
#        infra/canary.sh PROJECT REGION DEPLOYER back
#
# Deliveries of Pub/Sub follow the traffic, too. `make deploy` sends all traffic to the latest revision
# again, so deploy the same image afterwards. The script needs gcloud and curl; the caller must be
# among `predict_callers`, without which predict has no address outside the project.
set -euo pipefail

usage() {
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}

[ $# -ge 4 ] || usage
readonly project=$1 region=$2 deployer=$3 action=$4 image=${5:-}

run() { gcloud run services "$1" predict --project="$project" --region="$region" --impersonate-service-account="$deployer" --quiet "${@:2}"; }

case $action in
  start)
    [ -n "$image" ] || usage
    before=$(run describe --format='value(status.traffic[0].revisionName)')
    run update --image="$image" --no-traffic --tag=canary --format=none
    # The address of a tag: https://cloud.google.com/run/docs/rollouts-rollbacks-traffic-migration
    url=$(run describe --format='value(status.url)')
    url=https://canary---${url#https://}
    token=$(gcloud auth print-identity-token)
    # /readyz: the registry answers and has a champion that this revision can load.
    if ! curl --fail --silent --show-error --max-time 60 --retry 3 --retry-all-errors --output /dev/null \
      --header @- "$url/readyz" <<<"Authorization: Bearer $token"; then
      printf 'the new revision is not ready, and %s keeps all traffic; its log has the reason\n' "$before" >&2
      exit 1
    fi
    run update-traffic --to-latest --remove-tags=canary --format=none
    printf 'all traffic is on the new revision; to go back: %s %s %s %s back\n' "$0" "$project" "$region" "$deployer"
    ;;
  back)
    before=$(gcloud run revisions list --service=predict --project="$project" --region="$region" \
      --impersonate-service-account="$deployer" --sort-by=~metadata.creationTimestamp --limit=2 --format='value(metadata.name)' | sed -n 2p)
    [ -n "$before" ] || { echo "cannot go back: predict has one revision only" >&2; exit 1; }
    run update-traffic --to-revisions="$before=100" --format=none
    printf 'all traffic is on %s\n' "$before"
    ;;
  *) usage ;;
esac
