#!/usr/bin/env bash
# Runs bootstrap.sh with a fake gcloud that records its calls, and compares the granted roles and
# permissions with the lists below. Part of `make infra-check`.
set -euo pipefail
cd "$(dirname "$0")/.."

# The roles of terraform's account on the project. None of them may read stored data, change roles
# of the project or act as other accounts, which excludes iam.roleAdmin, iam.serviceAccountUser,
# run.admin, pubsub.admin, cloudsql.admin and storage.admin.
readonly roles="
  projects/a-project/roles/bikeTrafficDeployer
  roles/artifactregistry.writer
  roles/browser
  roles/cloudscheduler.admin
  roles/compute.networkAdmin
  roles/iam.serviceAccountAdmin
  roles/iam.workloadIdentityPoolAdmin
  roles/logging.configWriter
  roles/monitoring.alertPolicyEditor
  roles/monitoring.dashboardEditor
  roles/monitoring.notificationChannelEditor
  roles/monitoring.servicesEditor
  roles/resourcemanager.projectIamAdmin
"

# The permissions that each custom role may contain, as extended regular expressions.
readonly verbs='(create|delete|get|getIamPolicy|list|setIamPolicy|update)'
readonly deployer="(artifactregistry\.repositories|bigquery\.(datasets|tables)|pubsub\.(subscriptions|topics))\.$verbs\
|(run\.services|secretmanager\.secrets|storage\.buckets)\.$verbs\
|cloudsql\.(databases|instances)\.(create|delete|get|list|update)|cloudsql\.users\.(delete|list)\
|pubsub\.topics\.(attach|detach)Subscription|run\.operations\.get|run\.revisions\.(get|list)|storage\.objects\.(delete|list)"
readonly replay="pubsub\.snapshots\.(create|delete|list|seek)|pubsub\.subscriptions\.(consume|create|delete|get|list)\
|pubsub\.topics\.(attachSubscription|get|list)"
readonly on_call="(cloudscheduler\.(jobs|locations)|cloudsql\.(backupRuns|instances)|run\.(locations|revisions|services))\.(get|list)\
|monitoring\.(alertPolicies|dashboards|metricDescriptors|monitoredResourceDescriptors|timeSeries)\.(get|list)\
|logging\.(logEntries|logs)\.list|resourcemanager\.projects\.get|serviceusage\.services\.use"

readonly condition="expression: api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/bigquery.jobUser', 'roles/cloudsql.client', 'projects/a-project/roles/bikeTrafficOnCall', 'projects/a-project/roles/bikeTrafficReplay'])"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CALLS=$folder/calls CONDITION=$folder/condition
# Simulates a project in which terraform's account has an extra role from an earlier bootstrap, and
# the default account of virtual machines is an editor.
cat >"$folder/gcloud" <<'END'
#!/usr/bin/env bash
printf '%s\n' "$*" >>"$CALLS"
case $* in
  "projects get-iam-policy "*terraform@*) printf '%s\n' roles/browser roles/iam.roleAdmin ;;
  "projects get-iam-policy "*-compute@*) echo roles/editor ;;
  "projects describe "*projectNumber*) echo 123456789012 ;;
  "org-policies describe ${POLICY:-none} "*) printf '%s\n' "$POLICY_VALUE" ;;
  *" describe "*) exit 1 ;;
  *--condition-from-file=*)
    all=$*
    file=${all#*--condition-from-file=}
    cp "${file%% *}" "$CONDITION"
    ;;
esac
END
chmod +x "$folder/gcloud"
PATH=$folder:$PATH ./bootstrap.sh a-project europe-west1 group:people@example.com >"$folder/output"

fail() { printf 'infra-check: bootstrap.sh %s\n' "$*" >&2; exit 1; }

# A policy that forbids the deployment stops the script before it creates anything.
stops() { # POLICY VALUE SECTION
  local message
  : >"$CALLS.policy"
  if message=$(CALLS=$CALLS.policy POLICY=$1 POLICY_VALUE=$2 PATH=$folder:$PATH ./bootstrap.sh a-project europe-west1 group:people@example.com 2>&1 >/dev/null); then
    fail "goes on in spite of the policy $1 = $2"
  fi
  [[ $message == *"section \"$3\""* ]] || fail "does not name the section \"$3\" for the policy $1 = $2: $message"
  grep -qxF "## $3" ../docs/organisations.md || fail "names a section that docs/organisations.md lacks: $3"
  if grep -qE ' (create|add-iam-policy-binding) ' "$CALLS.policy"; then fail "creates something in spite of the policy $1 = $2"; fi
}
stops run.allowedIngress internal "Ingress"
stops run.allowedIngress 'internal-and-cloud-load-balancing;all' "Ingress"
stops sql.restrictPublicIp True "Public address of the database"
stops run.allowedBinaryAuthorizationPolicies default "Binary Authorization"
goes_on() { # POLICY VALUE
  POLICY=$1 POLICY_VALUE=$2 CALLS=$CALLS.policy PATH=$folder:$PATH ./bootstrap.sh a-project europe-west1 group:people@example.com >/dev/null 2>&1 ||
    fail "stops because of the policy $1 = $2"
}
goes_on run.allowedIngress "['all', 'internal']"
goes_on sql.restrictPublicIp False
# Cloud Run checks the callers of every service.
goes_on run.managed.requireInvokerIam True
SKIP_POLICIES=1 goes_on sql.restrictPublicIp True

option() { # NAME; prints the values of the option, one per line
  sed -nE "s/.*--$1=([^ ]+).*/\1/p"
}

granted=$(grep "^projects add-iam-policy-binding a-project " "$CALLS" || true)
others=$(option member <<<"$granted" | grep -vx 'serviceAccount:terraform@a-project.iam.gserviceaccount.com' || true)
[ -z "$others" ] || fail "grants roles on the project to other members:" "$others"
difference=$(diff <(xargs -n1 <<<"$roles" | sort) <(option role <<<"$granted" | sort)) ||
  fail "grants terraform's account other roles than the expected ones (< missing, > unexpected):" "$difference"
grep -qxF "$condition" "$CONDITION" || fail "allows terraform to grant other roles than the expected four:" "$(cat "$CONDITION")"

contains_at_most() { # ROLE EXPRESSION
  local permissions unexpected
  permissions=$(grep "^iam roles create $1 " "$CALLS" | option permissions | tr , "\n" || true)
  [ -n "$permissions" ] || fail "does not create the role $1"
  unexpected=$(grep -vxE "$2" <<<"$permissions" || true)
  [ -z "$unexpected" ] || fail "adds unexpected permissions to the role $1:" "$unexpected"
}
contains_at_most bikeTrafficDeployer "$deployer"
contains_at_most bikeTrafficReplay "$replay"
contains_at_most bikeTrafficOnCall "$on_call"
[ "$(grep -c '^iam roles create ' "$CALLS")" = 3 ] || fail "creates other roles than the expected three"

# Grants on single resources: the state bucket, and impersonation of terraform's account.
single=$(grep ' add-iam-policy-binding ' "$CALLS" | grep -v '^projects ' | sed 's/ --format.*//')
expected="storage buckets add-iam-policy-binding gs://a-project-terraform-state --role=roles/storage.objectUser --member=serviceAccount:terraform@a-project.iam.gserviceaccount.com
iam service-accounts add-iam-policy-binding terraform@a-project.iam.gserviceaccount.com --project=a-project --member=group:people@example.com --role=roles/iam.serviceAccountTokenCreator"
[ "$single" = "$expected" ] || fail "grants unexpected roles on resources:" "$single"

for revoked in roles/iam.roleAdmin:terraform@a-project.iam.gserviceaccount.com roles/editor:123456789012-compute@developer.gserviceaccount.com; do
  grep -q "^projects remove-iam-policy-binding a-project --role=${revoked%:*} --member=serviceAccount:${revoked#*:} " "$CALLS" ||
    fail "does not revoke ${revoked%:*} from ${revoked#*:}"
done
if grep '^projects remove-iam-policy-binding ' "$CALLS" | grep -q roles/browser; then fail "revokes a role that it must grant"; fi
