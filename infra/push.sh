#!/usr/bin/env bash
# Pushes built images. In prod the registry refuses a tag that it has, so an image that an earlier run
# has pushed stays as it is.
#
# Usage: infra/push.sh ENV REGISTRY TAG DEPLOYER IMAGE...
#
# Impersonates the service account DEPLOYER. The script needs docker, logged in to REGISTRY, and gcloud,
# logged in as a deployer.
set -euo pipefail

if [ $# -lt 5 ]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
readonly environment=$1 registry=$2 tag=$3 deployer=$4
shift 4

is_pushed() { # IMAGE
  gcloud artifacts docker images describe "$1" --impersonate-service-account="$deployer" --quiet --format=none >/dev/null 2>&1
}

for name in "$@"; do
  image=$registry/$name:$tag
  if [ "$environment" = prod ] && is_pushed "$image"; then
    printf '%s is in the registry already\n' "$image"
  else
    docker push "$image"
  fi
done
