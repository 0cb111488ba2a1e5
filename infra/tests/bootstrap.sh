#!/usr/bin/env bash
# Runs bootstrap.sh with a gcloud that only writes down what it is asked for, and holds the rights it would give against
# lists of what may be given: `make infra-check`.
set -euo pipefail
cd "$(dirname "$0")/.."

# What terraform's account may get on the project. None of them may read what is stored, change roles of the project or
# act as other accounts: no iam.roleAdmin, iam.serviceAccountUser, run.admin, pubsub.admin, cloudsql.admin, storage.admin.
readonly roles="
  projects/a-project/roles/bikeTrafficDeployer
  roles/artifactregistry.writer
  roles/browser
  roles/cloudscheduler.admin
  roles/compute.networkAdmin
  roles/iam.serviceAccountAdmin
  roles/logging.configWriter
  roles/monitoring.alertPolicyEditor
  roles/monitoring.dashboardEditor
  roles/monitoring.notificationChannelEditor
  roles/resourcemanager.projectIamAdmin
"

# What may be in each of the project's own roles, as extended regular expressions.
readonly verbs='(create|delete|get|getIamPolicy|list|setIamPolicy|update)'
readonly deployer="(artifactregistry\.repositories|bigquery\.(datasets|tables)|pubsub\.(subscriptions|topics))\.$verbs\
|(run\.services|secretmanager\.secrets|storage\.buckets)\.$verbs\
|cloudsql\.(databases|instances)\.(create|delete|get|list|update)|cloudsql\.users\.(delete|list)\
|pubsub\.topics\.(attach|detach)Subscription|run\.operations\.get|run\.revisions\.(get|list)|storage\.objects\.(delete|list)"
readonly replay="pubsub\.snapshots\.(create|delete|list|seek)|pubsub\.subscriptions\.(consume|create|delete|get|list)\
|pubsub\.topics\.(attachSubscription|get|list)"
readonly on_call="(cloudscheduler\.(jobs|locations)|cloudsql\.(backupRuns|instances)|run\.(locations|revisions|services))\.(get|list)\
|monitoring\.(alertPolicies|dashboards|metricDescriptors|monitoredResourceDescriptors|timeSeries)\.(get|list)\
|logging\.(logEntries|logs)\.list|resourcemanager\.projects\.get"

readonly condition="expression: api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/bigquery.jobUser', 'roles/cloudsql.client', 'projects/a-project/roles/bikeTrafficOnCall', 'projects/a-project/roles/bikeTrafficReplay'])"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CALLS=$folder/calls CONDITION=$folder/condition
# In a project where an earlier bootstrap gave terraform's account a role too many, and Google made its default account an
# editor.
cat >"$folder/gcloud" <<'END'
#!/usr/bin/env bash
printf '%s\n' "$*" >>"$CALLS"
case $* in
  "projects get-iam-policy "*terraform@*) printf '%s\n' roles/browser roles/iam.roleAdmin ;;
  "projects get-iam-policy "*-compute@*) echo roles/editor ;;
  "projects describe "*projectNumber*) echo 123456789012 ;;
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

option() { # NAME: its values, one a line
  sed -nE "s/.*--$1=([^ ]+).*/\1/p"
}

given=$(grep "^projects add-iam-policy-binding a-project " "$CALLS" || true)
others=$(option member <<<"$given" | grep -vx 'serviceAccount:terraform@a-project.iam.gserviceaccount.com' || true)
[ -z "$others" ] || fail "gives rights on the project to" "$others"
difference=$(diff <(xargs -n1 <<<"$roles" | sort) <(option role <<<"$given" | sort)) ||
  fail "does not give terraform's account the roles on the list (< missing, > not on it):" "$difference"
grep -qxF "$condition" "$CONDITION" || fail "lets terraform hand out other roles than the four:" "$(cat "$CONDITION")"

holds_at_most() { # ROLE EXPRESSION
  local permissions beyond
  permissions=$(grep "^iam roles create $1 " "$CALLS" | option permissions | tr , "\n" || true)
  [ -n "$permissions" ] || fail "does not make the role $1"
  beyond=$(grep -vxE "$2" <<<"$permissions" || true)
  [ -z "$beyond" ] || fail "puts into the role $1, against the list:" "$beyond"
}
holds_at_most bikeTrafficDeployer "$deployer"
holds_at_most bikeTrafficReplay "$replay"
holds_at_most bikeTrafficOnCall "$on_call"
[ "$(grep -c '^iam roles create ' "$CALLS")" = 3 ] || fail "makes a role that this check does not know"

# On single resources: the state, and acting as terraform's account.
single=$(grep ' add-iam-policy-binding ' "$CALLS" | grep -v '^projects ' | sed 's/ --format.*//')
expected="storage buckets add-iam-policy-binding gs://a-project-terraform-state --role=roles/storage.objectUser --member=serviceAccount:terraform@a-project.iam.gserviceaccount.com
iam service-accounts add-iam-policy-binding terraform@a-project.iam.gserviceaccount.com --project=a-project --member=group:people@example.com --role=roles/iam.serviceAccountTokenCreator"
[ "$single" = "$expected" ] || fail "gives other rights on resources:" "$single"

for taken in roles/iam.roleAdmin:terraform@a-project.iam.gserviceaccount.com roles/editor:123456789012-compute@developer.gserviceaccount.com; do
  grep -q "^projects remove-iam-policy-binding a-project --role=${taken%:*} --member=serviceAccount:${taken#*:} " "$CALLS" ||
    fail "does not take ${taken%:*} away from ${taken#*:}"
done
if grep '^projects remove-iam-policy-binding ' "$CALLS" | grep -q roles/browser; then fail "takes away what it is to give"; fi
