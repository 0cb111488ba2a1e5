#!/usr/bin/env bash
# Writes the digests of pushed images as variables of terraform, so that a deployment runs exactly
# the images that a tag named at this moment. Part of `make plan` and `make deploy`.
#
# Usage: infra/digests.sh REGISTRY TAG DEPLOYER FILE IMAGE...
#
# Impersonates the service account DEPLOYER. The script needs gcloud, logged in as a deployer.
set -euo pipefail

if [ $# -lt 5 ]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
readonly registry=$1 tag=$2 deployer=$3 file=$4
shift 4

lines=()
for image in "$@"; do
  digest=$(gcloud artifacts docker images describe "$registry/$image:$tag" --impersonate-service-account="$deployer" \
    --quiet --format='value(image_summary.digest)')
  if ! [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
    printf 'cannot read the digest of %s/%s:%s; to push the images, run make push\n' "$registry" "$image" "$tag" >&2
    exit 1
  fi
  lines+=("    \"$image\": \"$digest\"")
done
mkdir -p "$(dirname "$file")"
{
  printf '{\n  "image_digests": {\n'
  printf '%s' "${lines[0]}"
  [ ${#lines[@]} = 1 ] || printf ',\n%s' "${lines[@]:1}"
  printf '\n  }\n}\n'
} >"$file"
