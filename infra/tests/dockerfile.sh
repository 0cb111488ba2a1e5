#!/usr/bin/env bash
# Checks the layers of the functions' Dockerfile: what a change of the sources alone must not compile is
# compiled before they are copied, with the options of the last build. Part of `make infra-check`.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { printf 'infra-check: the Dockerfile %s\n' "$*" >&2; exit 1; }

stage() { # NAME
  awk -v name="$1" '/^FROM / { inside = ($NF == name) } inside' Dockerfile | sed -e ':join' -e '/\\$/{N;s/\\\n//;bjoin' -e '}'
}

stage chef | grep -qE '^RUN cargo install cargo-chef --locked --version [0-9]+\.[0-9]+\.[0-9]+$' || fail "does not pin cargo-chef"

# The order of the steps. What depends on the sources is after `COPY . .`.
steps=$(stage build | grep -E '^(COPY|RUN)')
order=$(sed -E \
  -e 's/^COPY --from=planner .*recipe\.json .*/recipe/' \
  -e 's/^RUN cargo chef cook .*/dependencies/' \
  -e 's/^COPY shared\/xgboost\/build shared\/xgboost\/build$/build-script/' \
  -e 's/^RUN touch shared\/xgboost\/build\/main\.rs .*cargo build .*--package xgboost$/xgboost/' \
  -e 's/^COPY \. \.$/sources/' \
  -e "s/^RUN find \. -name '\*\.rs' -exec touch .*cargo build .*/programs/" <<<"$steps" | xargs)
[ "$order" = "recipe dependencies build-script xgboost sources programs" ] || fail "has other steps: $order"
[ -f shared/xgboost/build/main.rs ] || fail "touches a build script that does not exist"

# Other options would compile the dependencies once more.
cooked=$(sed -nE 's/^RUN cargo chef cook (.*)$/\1/p' <<<"$steps")
built=$(sed -nE 's/.* cargo build (.*\$\{PACKAGES\})$/\1/p' <<<"$steps")
[ "$cooked" = "$built" ] || fail "compiles dependencies with \"$cooked\", and programs with \"$built\""
for option in --locked '--profile dist'; do
  [[ $built == *"$option"* ]] || fail "builds without $option"
done
[ "$(grep -oE -- '--profile [a-z]+' <<<"$steps" | sort -u)" = '--profile dist' ] || fail "builds with several profiles"
stage binary | grep -qF 'target/dist/' || fail "copies programs of another profile"

diff <(stage build | sed -nE 's/^ENV PACKAGES="(.*)"$/\1/p' | sed 's/--package //g' | xargs -n1) \
  <(sed -nE 's/^    "(.*)": \{$/\1/p' infra/functions.json | sort) >&2 || fail "builds other functions than functions.json names"

# The workspace must be complete in the build.
sed -nE '/^members = \[/,/^\]/s/^ +"([^"/]+).*/\1/p' Cargo.toml | sort -u | while IFS= read -r member; do
  grep -qxF "!$member" .dockerignore || fail "has no folder $member, because .dockerignore leaves it out"
done
