#!/usr/bin/env bash
# Puts the six functions' release binaries into a folder, as an image has them, and shows that each is complete: it starts
# with nothing in its environment but its settings, answers its readiness probe, and ends when asked. Prints size, needed
# shared libraries and memory at rest.
#
#   tests/dist.sh FOLDER        after cargo build --release
set -euo pipefail
cd "$(dirname "$0")/.."
readonly folder=${1:?name a folder}
readonly functions="drift-check evaluate fine-tune ingest predict promote"

mkdir -p "$folder"
printf '%-12s %8s %10s  %s\n' function size 'at rest' 'shared libraries'
for function in $functions; do
  cp "target/release/$function" "$folder/$function"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  env -i PORT="$port" PUSH_AUDIENCE=off OPEN_DATA_URL=http://127.0.0.1:9 \
    STORE_URL=memory:// WAREHOUSE_URL=memory:// MLFLOW_TRACKING_URI=memory:// BUS_URL=memory:// \
    "$folder/$function" 2>"$folder/$function.log" &
  process=$!
  trap 'kill $process 2>/dev/null || true' EXIT
  for _ in $(seq 100); do
    curl --silent --fail --output /dev/null "http://127.0.0.1:$port/readyz" && ready=yes && break
    ready=no
    sleep 0.05
  done
  [ "$ready" = yes ] || { echo "$function does not answer its readiness probe:" >&2; cat "$folder/$function.log" >&2; exit 1; }
  memory=$(awk '/^VmRSS/ { printf "%.1f MB", $2 / 1000 }' "/proc/$process/status")
  kill "$process"
  wait "$process" || { echo "$function did not end well when asked to" >&2; exit 1; }
  trap - EXIT
  size=$(stat --format=%s "$folder/$function" | awk '{ printf "%.1f MB", $1 / 1e6 }')
  libraries=$(ldd "$folder/$function" | awk '/=>/ { printf "%s ", $1 }')
  printf '%-12s %8s %10s  %s\n' "$function" "$size" "$memory" "$libraries"
done
