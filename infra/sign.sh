#!/usr/bin/env bash
# Signs the images of a file of digests (cosign), and attaches a bill of materials to each (syft). What
# an earlier run has attached stays, because the registry of prod refuses to change it.
#
# Usage: infra/sign.sh DIGESTS REGISTRY FOLDER [KEY]
#   DIGESTS   the file that digests.sh wrote
#   FOLDER    receives the bills of materials
#   KEY       a key in Cloud KMS, gcpkms://...; without it, the signature names the identity of the job
set -euo pipefail

if [ $# -lt 3 ] || [ $# -gt 4 ]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
readonly digests=$1 registry=$2 folder=$3 key=${4:-}

options=(--yes)
[ -z "$key" ] || options+=("--key=$key")
mkdir -p "$folder"
images=$(sed -nE 's/^ +"([a-z-]+)": "(sha256:[0-9a-f]{64})".*/\1@\2/p' "$digests")
[ -n "$images" ] || { printf 'cannot read the digests in %s; to write them, run make digests\n' "$digests" >&2; exit 1; }
for name in $images; do
  image=$registry/$name sbom=$folder/${name%%@*}.spdx.json
  syft scan "registry:$image" --output "spdx-json=$sbom"
  cosign download signature "$image" >/dev/null 2>&1 || cosign sign "${options[@]}" "$image"
  cosign download attestation "$image" >/dev/null 2>&1 ||
    cosign attest "${options[@]}" --type spdxjson --predicate "$sbom" "$image"
done
