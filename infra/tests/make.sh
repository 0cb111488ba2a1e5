#!/usr/bin/env bash
# Checks what the targets of the Makefile would do in Google Cloud. Part of `make infra-check`.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'infra-check: make %s\n' "$*" >&2; exit 1; }

dry_run() { # TARGET [ENV]
  env -u MAKEFLAGS make --directory=.. --no-print-directory --dry-run "$1" "ENV=${2:-dev}" TAG=0123abc
}

# Cloud Run runs linux/amd64 only. Without the option, a Mac builds images that do not start.
images=$(dry_run images)
[ "$(grep -c 'docker build' <<<"$images")" = "$(grep -c -- '--platform=linux/amd64' <<<"$images")" ] ||
  fail "images builds for the architecture of this machine"

# Cloud Run refuses a revision whose account cannot read a secret or reach the database yet, and IAM
# takes minutes to apply a grant. So `make foundation` creates every grant that a service waits for.
waits_for() { # FILE...; prints the grants in `depends_on` of services, as TYPE.NAME
  sed -n '/depends_on *= *\[/,/\]/p' "$@" | grep -oE 'google_[a-z_]+_iam_member\.\w+' | sort -u
}
foundation=$(dry_run foundation)
for grant in $(waits_for mlflow.tf); do
  grep -qF -- "-target='$grant'" <<<"$foundation" || fail "foundation does not create $grant"
done
functions=$(sed -nE 's/^    "(.*)": \{$/\1/p' functions.json)
for function in $functions; do
  for grant in $(waits_for modules/function/service.tf); do
    grep -qF -- "-target='module.function[\"$function\"].$grant'" <<<"$foundation" ||
      fail "foundation does not create $grant of $function"
  done
done
# The services must wait for all of them, or this check is void.
for grant in google_secret_manager_secret_iam_member.mlflow google_project_iam_member.mlflow_database; do
  waits_for mlflow.tf | grep -qxF "$grant" || fail "foundation is not checked: no service in mlflow.tf waits for $grant"
done
waits_for modules/function/service.tf | grep -qxF google_secret_manager_secret_iam_member.reads ||
  fail "foundation is not checked: functions do not wait for google_secret_manager_secret_iam_member.reads"
# Monitoring rejects an SLO on a metric that was created a moment ago.
metrics=$(grep -ohE '^resource "google_logging_metric" "\w+"' ./*.tf | sed -E 's/.* "(.*)"/\1/')
for metric in $metrics; do
  grep -qF -- "-target='google_logging_metric.$metric'" <<<"$foundation" || fail "foundation does not create the metric $metric"
done

# The last step of a deployment compares the latest with the ready revision of every service.
services=$(printf '%s\n' "$functions"; sed -nE '/source = "\.\/modules\/mlflow-endpoint"/,/^}/s/^  name +=\s"(.*)"/\1/p' mlflow.tf)
last=$(dry_run deploy | grep -v '^make' | tail -n1)
for service in $services; do
  [[ "$last " == *infra/verify.sh*" $service "* ]] || fail "deploy does not verify the service $service: $last"
done

# A tag may be pushed again in dev, so deployments name digests.
for target in plan deploy; do
  commands=$(dry_run $target)
  grep -q '^infra/digests.sh .* 0123abc ' <<<"$commands" || fail "$target does not read the digests of the images"
  grep -qE '^TF_DATA_DIR=.* (plan|apply) .*-var-file=.*/images.tfvars.json' <<<"$commands" || fail "$target does not use the digests of the images"
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CALLS=$folder/calls
cat >"$folder/gcloud" <<'END'
#!/usr/bin/env bash
printf '%s\n' "$*" >>"$CALLS"
case " ${NOT_READY:-} " in
  *" $4 "*) printf '%s-00002-b\t%s-00001-a\n' "$4" "$4" ;;
  *) printf '%s-00002-b\t%s-00002-b\n' "$4" "$4" ;;
esac
END
chmod +x "$folder/gcloud"
verify() { PATH=$folder:$PATH ./verify.sh a-project europe-west1 terraform@a-project.iam.gserviceaccount.com "$@"; }
verify ingest mlflow >/dev/null || fail "verify rejects services whose latest revision is ready"
if message=$(NOT_READY="mlflow" verify ingest mlflow 2>&1 >/dev/null); then fail "verify accepts a service whose latest revision is not ready"; fi
[[ $message == *mlflow-00002-b* && $message != *ingest* ]] || fail "verify does not name the revision that is not ready: $message"
grep -q -- '--impersonate-service-account=terraform@a-project.iam.gserviceaccount.com' "$CALLS" || fail "verify needs rights that a deployer does not have"

# digests.sh writes valid variables, and rejects an image that is not there.
cat >"$folder/gcloud" <<'END'
#!/usr/bin/env bash
case $* in *absent*) ;; *) printf 'sha256:%064d\n' 1 ;; esac
END
digests() { PATH=$folder:$PATH ./digests.sh a-registry 0123abc terraform@a-project.iam.gserviceaccount.com "$folder/images.tfvars.json" "$@"; }
digests ingest mlflow
[ "$(tr -d ' \n' <"$folder/images.tfvars.json")" = "{\"image_digests\":{\"ingest\":\"sha256:$(printf '%064d' 1)\",\"mlflow\":\"sha256:$(printf '%064d' 1)\"}}" ] ||
  fail "deploy writes invalid digests: $(cat "$folder/images.tfvars.json")"
if digests ingest absent 2>/dev/null; then fail "deploy accepts an image without a digest"; fi
