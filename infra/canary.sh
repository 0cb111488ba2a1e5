#!/usr/bin/env bash
# Starts a new revision of predict without traffic, tests it at an address of its own, and then sends
# all traffic to it. Or goes back to the revision before.
#
# Usage: infra/canary.sh PROJECT REGION DEPLOYER start IMAGE
#        infra/canary.sh PROJECT REGION DEPLOYER back
#
# Deliveries of Pub/Sub follow the traffic, too. `make deploy` sends all traffic to the latest revision
# again, so deploy the same image after a start, and an older or repaired one after going back. The
# script needs gcloud and curl; the caller must be among `predict_callers`, without which predict has
# no address outside the project.
set -euo pipefail

usage() {
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}

[ $# -ge 4 ] || usage
readonly project=$1 region=$2 deployer=$3 action=$4 image=${5:-}
readonly options=("--project=$project" "--region=$region" "--impersonate-service-account=$deployer" --quiet)

service() { # COMMAND OPTION...
  gcloud run services "$1" predict "${options[@]}" "${@:2}"
}

call() { # URL [OPTION...]; the token is not an argument, which other users of this machine can read
  curl --fail --silent --show-error --max-time 300 --retry 3 --retry-all-errors \
    --header @- "$@" <<<"Authorization: Bearer $token"
}

# /readyz: the registry answers and has a champion that this revision can load. The record is of a
# counter that nobody has, so its forecast is an error, but the reply has the version of the champion.
answers() { # URL
  local record reply
  record='{"nom_du_compteur":"canary","date_et_heure_de_comptage":"2021-07-20T08:00:00+02:00"}'
  call "$1/readyz" --output /dev/null &&
    reply=$(call "$1/v1/predict" --header 'Content-Type: application/json' --data "{\"records\":[$record]}") &&
    [[ $reply == *'"model_version":'* ]]
}

case $action in
  start)
    [ -n "$image" ] || usage
    before=$(service describe --format='value(status.traffic[0].revisionName)')
    service update --image="$image" --no-traffic --tag=canary --format=none
    # The address of a tag: https://cloud.google.com/run/docs/rollouts-rollbacks-traffic-migration
    url=$(service describe --format='value(status.url)')
    token=$(gcloud auth print-identity-token)
    if ! answers "https://canary---${url#https://}"; then
      printf 'the new revision does not forecast, and %s keeps all traffic; its log has the reason\n' "$before" >&2
      exit 1
    fi
    service update-traffic --to-latest --remove-tags=canary --format=none
    printf 'all traffic is on the new revision; to go back: %s %s %s %s back\n' "$0" "$project" "$region" "$deployer"
    ;;
  back)
    # From the newest, with the digests of their images. `make deploy` starts the image of the canary
    # in one more revision, so the revision before is the newest one with another image.
    revisions=$(gcloud run revisions list --service=predict "${options[@]}" --sort-by=~metadata.creationTimestamp \
      --format='value(metadata.name,status.imageDigest)')
    before=$(awk -F'\t' 'NR == 1 { newest = $2 } $2 != newest { print $1; exit }' <<<"$revisions")
    [ -n "$before" ] || { echo "cannot go back: every revision of predict has the same image" >&2; exit 1; }
    service update-traffic --to-revisions="$before=100" --format=none
    printf 'all traffic is on %s\n' "$before"
    ;;
  *) usage ;;
esac
