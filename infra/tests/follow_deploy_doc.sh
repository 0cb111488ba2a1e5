#!/usr/bin/env bash
# Follows docs/deploy.md from an empty project to a running system, with programs that record their
# calls instead of doing something. Fails if a command does not exist or comes before a command that
# it depends on. Part of `make infra-check`.
#
# Usage: infra/tests/follow_deploy_doc.sh [--print|--gcloud]
#   --print   prints the calls
#   --gcloud  compares gcloud_commands.txt with the help of the installed gcloud, which takes a minute
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../.."
readonly snapshots=$PWD/cli/tests/it/snapshots list=infra/tests/gcloud_commands.txt

fail() { printf 'infra-check: docs/deploy.md %s\n' "$*" >&2; exit 1; }

if [ "${1:-}" = --gcloud ]; then
  grep -v '^#' "$list" | while read -r -a words; do
    command=() flags=()
    for word in "${words[@]}"; do
      if [[ $word == --* ]]; then flags+=("$word"); else command+=("$word"); fi
    done
    help=$(gcloud "${command[@]}" --help 2>&1 </dev/null | sed 's/\x1b\[[0-9;]*m//g') || true
    grep -qE "^ +gcloud ${command[*]} - " <<<"$help" || fail "uses gcloud ${command[*]}, which does not exist"
    for flag in "${flags[@]}"; do
      grep -qE -- "$flag([^a-z-]|\$)" <<<"$help" || fail "uses gcloud ${command[*]} $flag, which does not exist"
    done
  done
  exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CALLS=$folder/calls HOME=$folder/home EDITOR=editor
mkdir -p "$folder/programs" "$folder/repository" "$HOME"

cat >"$folder/programs/gcloud" <<'END'
#!/usr/bin/env bash
printf 'gcloud %s\n' "$*" >>"$CALLS"
case $* in
  *status.latestCreatedRevisionName*) printf 'a-00001-b\ta-00001-b\n' ;;
  "run services describe "*) echo https://a-service.example ;;
  "projects describe "*) echo 123456789012 ;;
  "sql instances describe "*) echo a-project:europe-west1:mlflow ;;
  "auth print-"*) echo a-token ;;
  "iam "*" describe "* | "storage buckets describe "*) exit 1 ;; # Nothing exists in an empty project.
  "artifacts docker images describe "*) echo "sha256:$(printf '%064d' 1)" ;;
  "secrets versions add "*) cat >/dev/null && echo 1 ;;
esac
END
for program in bike-traffic cargo docker rustup terraform; do
  cat >"$folder/programs/$program" <<END
#!/usr/bin/env bash
printf '$program %s\n' "\$*" >>"\$CALLS"
END
done
# shellcheck disable=SC2016  # For the program to expand.
echo 'if [ "$1" = login ]; then cat >/dev/null; fi' >>"$folder/programs/docker" # the password
cat >"$folder/programs/editor" <<'END'
#!/usr/bin/env bash
for file in "$@"; do echo "# edited" >>"$file"; done
END
chmod +x "$folder/programs/"*

git ls-files -co --exclude-standard -- .ci .cargo Makefile Dockerfile infra rust-toolchain.toml | tar cf - --files-from=- |
  tar xf - -C "$folder/repository"

# The commands of a section, up to the next heading of any level.
commands() { # HEADING
  awk -v heading="$1" '
    /^#/ && !code { inside = ($0 == heading) }
    /^ *```/ { code = !code; shell = ($0 ~ /```sh$/); next }
    inside && code && shell { sub(/^ +/, ""); print }
  ' docs/deploy.md
}
first=$(commands '## Deploy for the first time')
shell=$(commands '## Open a shell to work in' | sed 's/prod/dev/g')
[[ -n $first && -n $shell ]] || fail "lacks the sections \"Deploy for the first time\" and \"Open a shell to work in\""
# Step 8 works in the shell of the other section.
train=$(grep -n '^bike-traffic split' <<<"$first" | head -n1 | cut -d: -f1)
[ -n "$train" ] || fail "does not train a champion"
{
  echo 'set -euo pipefail'
  sed "$((train - 1))q" <<<"$first"
  printf '%s\n' "$shell"
  sed -n "$train,\$p" <<<"$first"
} >"$folder/script"
(
  cd "$folder/repository"
  export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a.example GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a.example
  git init --quiet && git add --all && git commit --quiet --message=empty
  PATH=$folder/programs:$PATH env -u MAKEFLAGS -u MAKELEVEL -u ENV -u TAG bash "$folder/script" </dev/null >"$folder/output" 2>&1
) || { tail -n 20 "$folder/output" >&2; fail "has a command that fails"; }
[ "${1:-}" != --print ] || cat "$CALLS"

lines() { # PATTERN; prints the numbers of the calls that match
  { grep -nE "^$1" "$CALLS" || true; } | cut -d: -f1
}
line() { lines "$1" | sed -n 1p; }
last_line() { lines "$1" | sed -n '$p'; }
# Each call, and what it depends on is before it.
previous=0 previous_call=nothing
for call in \
  'gcloud auth login' \
  'gcloud services enable ' \
  'gcloud storage buckets create gs://bike-traffic-dev-terraform-state' \
  'gcloud iam service-accounts create terraform' \
  'gcloud projects add-iam-policy-binding bike-traffic-dev .*projectIamAdmin' \
  'gcloud iam service-accounts add-iam-policy-binding .*serviceAccountTokenCreator' \
  'terraform .*init ' \
  'terraform .*apply .*-target=google_secret_manager_secret_iam_member.mlflow' \
  'gcloud sql users create mlflow' \
  'gcloud secrets versions add mlflow-database' \
  'docker build ' \
  'docker login ' \
  'docker push ' \
  'gcloud artifacts docker images describe ' \
  'terraform .*apply -var-file=[^ ]*images.tfvars.json .*image_tag=[^ ]*$' \
  'gcloud run services describe ingest .*latestReadyRevisionName' \
  'gcloud run services describe mlflow .*status.url' \
  'bike-traffic train --cloud' \
  'bike-traffic ingest --cloud' \
  'bike-traffic status --cloud'; do
  found=$(line "$call")
  [ -n "$found" ] || fail "never runs: $call"
  [ "$found" -gt "$previous" ] || fail "runs \"$call\" before \"$previous_call\""
  previous=$found previous_call=$call
done
# A deployment needs every image, and the tag of what was pushed.
tag=$(sed -nE 's/^docker push .*\/mlflow:(.*)$/\1/p' "$CALLS")
[ "$(grep -c '^docker push ' "$CALLS")" = 7 ] || fail "does not push seven images"
grep -qE "^terraform .*apply .*image_tag=$tag$" "$CALLS" || fail "deploys another tag than the pushed one, $tag"
[ "$(last_line 'docker push')" -lt "$(line 'terraform .*apply [^>]*image_tag=[^ ]*$')" ] || fail "deploys before all images are pushed"

# Every command of bike-traffic, and each of its flags, is in its help.
grep '^bike-traffic ' "$CALLS" | sort -u | while read -r _ command arguments; do
  help=$snapshots/it__help__bike-traffic-$command.snap
  [ -f "$help" ] || fail "uses bike-traffic $command, which does not exist"
  grep -oE -- '--[a-z-]+' <<<"$arguments" | while read -r flag; do
    grep -qE -- "$flag( |$|=)" "$help" || fail "uses bike-traffic $command $flag, which does not exist"
  done
done
# Every command of gcloud, and each of its flags, is in gcloud_commands.txt.
sed -n 's/^gcloud //p' "$CALLS" | sort -u | while read -r -a words; do
  known='' command=''
  for word in "${words[@]}"; do
    command=${command:+$command }$word
    known=$(grep -E "^$command( --|\$)" "$list" || true)
    [ -z "$known" ] || break
    [[ $word =~ ^[a-z-]+$ ]] || break
  done
  [ -n "$known" ] || fail "uses gcloud ${words[*]:0:4}, which is not in infra/tests/gcloud_commands.txt"
  for word in "${words[@]}"; do
    [[ $word != --* || " $known " == *" ${word%%=*} "* ]] || fail "uses the flag ${word%%=*}, which is not in the line of infra/tests/gcloud_commands.txt: $known"
  done
done
