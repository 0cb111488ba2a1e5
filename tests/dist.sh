#!/usr/bin/env bash
# Copies the binaries of the six functions into a folder and checks each of them: it starts
# with only its settings in the environment, passes its readiness probe, and exits on SIGTERM. Prints
# the binary size, the idle memory and the shared libraries. Fails if a value exceeds its limit.
#
# Usage: tests/dist.sh FOLDER        (after cargo build --profile dist)
set -euo pipefail
cd "$(dirname "$0")/.."
readonly folder=${1:?pass the folder, for example tests/dist.sh dist}
readonly functions="drift-check evaluate fine-tune ingest predict promote"
# The libraries that the base image of the Dockerfile contains, and the loader.
readonly expected_libraries="ld-linux-aarch64.so.1 ld-linux-x86-64.so.2 libc.so.6 libgcc_s.so.1 libm.so.6"

# Maximum size of the stripped binary in bytes. ingest and promote do not link XGBoost.
size_limit() { case $1 in ingest | promote) echo 20000000 ;; *) echo 40000000 ;; esac; }
# Maximum idle memory in bytes. predict keeps a model in memory.
memory_limit() { case $1 in predict) echo 120000000 ;; *) echo 25000000 ;; esac; }

megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

exceeded=0
at_most() { # FUNCTION QUANTITY BYTES LIMIT
  if [ "$3" -gt "$4" ]; then
    printf '%s: %s is %s bytes, which exceeds the limit of %s\n' "$1" "$2" "$3" "$4" >&2
    exceeded=1
  fi
}

process=
trap '[ -z "$process" ] || kill "$process" 2>/dev/null || true' EXIT

mkdir -p "$folder"
printf '%-12s %8s %10s  %s\n' function size 'idle' 'shared libraries'
for function in $functions; do
  install --mode=0755 "target/dist/$function" "$folder/$function"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  env -i PORT="$port" PUSH_AUDIENCE=off OPEN_DATA_URL=http://127.0.0.1:9 \
    STORE_URL=memory:// WAREHOUSE_URL=memory:// MLFLOW_TRACKING_URI=memory:// BUS_URL=memory:// \
    "$folder/$function" 2>"$folder/$function.log" &
  process=$!
  ready=no
  for _ in $(seq 100); do
    curl --silent --fail --output /dev/null "http://127.0.0.1:$port/livez" && ready=yes && break
    sleep 0.05
  done
  [ "$ready" = yes ] || { echo "$function: liveness probe failed; its log:" >&2; cat "$folder/$function.log" >&2; exit 1; }
  memory=$(awk '/^VmRSS/ { print $2 * 1024 }' "/proc/$process/status")
  kill "$process"
  wait "$process" || { echo "$function: exited with an error after SIGTERM" >&2; exit 1; }
  process=

  size=$(stat --format=%s "$folder/$function")
  libraries=$(readelf --dynamic "$folder/$function" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' | sort | xargs)
  printf '%-12s %8s %10s  %s\n' "$function" "$(megabytes "$size")" "$(megabytes "$memory")" "$libraries"

  at_most "$function" "the binary size" "$size" "$(size_limit "$function")"
  at_most "$function" "the idle memory" "$memory" "$(memory_limit "$function")"
  if readelf --sections "$folder/$function" | grep -q ' \.symtab '; then
    echo "$function: the binary is not stripped" >&2
    exceeded=1
  fi
  for library in $libraries; do
    [[ " $expected_libraries " == *" $library "* ]] || { echo "$function: needs $library, which the base image does not contain" >&2; exceeded=1; }
  done
done
exit "$exceeded"
