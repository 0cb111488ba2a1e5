#!/usr/bin/env bash
# Signs the images of a file of digests with the identity of the running job (cosign, without a key),
# and attaches a bill of materials to each (syft).
#
# Usage: infra/sign.sh DIGESTS REGISTRY FOLDER
#   DIGESTS   the file that digests.sh wrote
#   FOLDER    receives the bills of materials
set -euo pipefail

if [ $# -ne 3 ]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
readonly digests=$1 registry=$2 folder=$3

mkdir -p "$folder"
images=$(sed -nE 's/^ +"([a-z-]+)": "(sha256:[0-9a-f]{64})".*/\1@\2/p' "$digests")
[ -n "$images" ] || { printf 'cannot read the digests in %s; to write them, run make digests\n' "$digests" >&2; exit 1; }
for image in $images; do
  sbom=$folder/${image%%@*}.spdx.json
  syft scan "registry:$registry/$image" --output "spdx-json=$sbom"
  cosign sign --yes "$registry/$image"
  cosign attest --yes --type spdxjson --predicate "$sbom" "$registry/$image"
done
