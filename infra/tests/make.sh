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

# secrets.sh stores the URL of the connector, or of the private address if there is no other.
cat >"$folder/gcloud" <<'END'
#!/usr/bin/env bash
case $* in
  "sql instances describe "*) printf '%b\n' "$DESCRIBED" ;;
  "secrets versions add mlflow-database "*) cat >"$CALLS.secret" ;;
esac
END
for addresses in 'a:b:mlflow\tTrue\t192.0.2.1 @/mlflow?host=/cloudsql/a:b:mlflow' 'a:b:mlflow\tFalse\t10.1.2.3 @10.1.2.3/mlflow?sslmode=require'; do
  DESCRIBED=${addresses% *} PATH=$folder:$PATH ./secrets.sh a-project database >/dev/null
  stored=$(<"$CALLS.secret")
  [[ $stored =~ ^postgresql\+psycopg2://mlflow:[0-9a-f]{48}"${addresses##* }"$ ]] || fail "foundation: secrets.sh stores another URL of the database: $stored"
done

# A canary gets traffic only after its test, and the way back is the revision before.
cat >"$folder/gcloud" <<'END'
#!/usr/bin/env bash
printf '%s\n' "$*" >>"$CALLS"
case $* in
  *revisionName*) echo predict-00001-a ;;
  *status.url*) echo https://predict.example ;;
  *"revisions list"*) printf 'predict-00002-b\npredict-00001-a\n' ;;
esac
END
cat >"$folder/curl" <<'END'
#!/usr/bin/env bash
printf 'curl %s\n' "$*" >>"$CALLS"
exit "${READY:-0}"
END
chmod +x "$folder/curl"
canary() { : >"$CALLS"; PATH=$folder:$PATH ./canary.sh a-project europe-west1 terraform@a-project.iam.gserviceaccount.com "$@"; }
canary start an-image >/dev/null
order=$(grep -noE -- '--no-traffic|^curl .* https://canary---predict.example/readyz|--to-latest' "$CALLS" | cut -d: -f2 | cut -c1-12 | xargs)
[ "$order" = "--no-traffic curl --fail --to-latest" ] || fail "canary sends traffic before its test: $order"
if READY=1 canary start an-image >/dev/null 2>&1; then fail "canary accepts a revision that is not ready"; fi
! grep -q -- '--to-latest' "$CALLS" || fail "canary sends traffic to a revision that is not ready"
canary back >/dev/null
grep -q -- '--to-revisions=predict-00001-a=100' "$CALLS" || fail "canary-back does not send traffic to the revision before"

# Every image of a file of digests is signed and gets a bill of materials.
for program in cosign syft; do
  cat >"$folder/$program" <<END
#!/usr/bin/env bash
printf '$program %s\\n' "\$*" >>"\$CALLS"
END
  chmod +x "$folder/$program"
done
cat >"$folder/gcloud" <<'END'
#!/usr/bin/env bash
printf 'sha256:%064d\n' 1
END
digests ingest mlflow
: >"$CALLS"
PATH=$folder:$PATH ./sign.sh "$folder/images.tfvars.json" a-registry "$folder/sbom"
for image in ingest mlflow; do
  for call in "syft scan registry:a-registry/$image@sha256" "cosign sign --yes a-registry/$image@sha256" "cosign attest .*$image.spdx.json a-registry/$image@sha256"; do
    grep -q "^$call" "$CALLS" || fail "sign lacks the call $call"
  done
done
