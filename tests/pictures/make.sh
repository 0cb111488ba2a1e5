#!/usr/bin/env bash
# Draws the pictures of the README from runs of bike-traffic: on the files that TRAIN_DATA_PATH,
# TEST_DATA_PATH and LIVE_DATA_PATH name, or on sample data. Needs Chromium and takes some minutes.
#
# Usage: tests/pictures/make.sh PROGRAM FOLDER        (or make docs-pictures)
#   FOLDER/run.svg      the terminal at the end of a run
#   FOLDER/week.png     the upper part of the page of WEEK (2021-W31)
#   FOLDER/tracks.svg   the weekly errors of the tracks of BACKTEST, the options of a backtest
set -euo pipefail
shopt -s inherit_errexit

[ $# = 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "$1")
mkdir -p "$2"
pictures=$(cd "$2" && pwd)
backtest=${BACKTEST:---from 2021-02-01 --to 2021-05-15 --champion-until 2021-01-31}
readonly here program pictures backtest

# A path below the present folder would be wrong in the folder of the run.
for name in TRAIN_DATA_PATH TEST_DATA_PATH LIVE_DATA_PATH; do
  path=${!name:-}
  if [ -n "$path" ] && [[ "$path" != *://* ]]; then
    export "$name=$(realpath "$path")"
  fi
done
# Other variables of a person's shell, and a file .env, would change the runs.
unset POLICY FINE_TUNE BIKE_TRAFFIC_STATE

# The run prints the path of its folder, so a short one fits the picture.
folder=$(mktemp -d /tmp/XXXXXX)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 "$here/terminal.py" --out "$pictures/run.svg" --prompt 'make run' --from '^[0-9]{4}-W[0-9]{2} \(' -- "$program" run
state=state/$(cat state/last-run)

"$program" report --state "$state" --week "${WEEK:-2021-W31}" --out week.html
python3 "$here/../browser/pages.py" screenshot week.html --out "$pictures/week.png" --height 1225
python3 "$here/palette.py" "$pictures/week.png"

if [ -z "${TRAIN_DATA_PATH:-}" ]; then
  export TRAIN_DATA_PATH=state/sample-data/train_baseline.csv.gz
  export TEST_DATA_PATH=state/sample-data/test_baseline.csv.gz LIVE_DATA_PATH=state/sample-data/live.csv.gz
fi
# shellcheck disable=SC2086 # The options are words.
"$program" backtest $backtest --svg "$pictures/tracks.svg"
