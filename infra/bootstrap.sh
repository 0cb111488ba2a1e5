#!/usr/bin/env bash
# Prepares a project for terraform: enables the APIs, and creates the bucket of the state,
# terraform's service account with its roles, and the custom roles of the project. The script is
# idempotent. Run it again after it has changed.
#
# Usage: infra/bootstrap.sh PROJECT REGION MEMBER...
#   infra/bootstrap.sh bike-traffic-dev europe-west1 group:bike-traffic-dev@example.com
#
# Each MEMBER may deploy, by impersonating terraform's service account. The script needs gcloud,
# logged in as an owner of the project. It stops if a policy of the organisation forbids the
# deployment, unless SKIP_POLICIES=1 is set.
set -euo pipefail

if [ $# -lt 3 ]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
project=$1 region=$2
shift 2
readonly project region
readonly state_bucket=$project-terraform-state
readonly account=terraform@$project.iam.gserviceaccount.com

readonly apis=(
  artifactregistry bigquery billingbudgets cloudresourcemanager cloudscheduler compute iam iamcredentials logging monitoring
  orgpolicy pubsub run secretmanager sqladmin storage sts
)

# Granted on the project: the resources do not exist before terraform creates them.
readonly roles=(
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
)

# Replaces run.admin, pubsub.admin, cloudsql.admin, storage.admin, bigquery.admin and
# secretmanager.admin. Terraform creates and deletes services, topics, databases, buckets, datasets
# and secrets, and sets their IAM policies. It cannot call services, receive messages, or read
# objects, rows and secrets. It may delete objects, to empty the buckets of dev. It may list and
# delete database users, because the provider removes the root user without a password from each new
# instance.
readonly deployer_role=bikeTrafficDeployer
readonly deployer_permissions=(
  artifactregistry.repositories.create artifactregistry.repositories.delete artifactregistry.repositories.get
  artifactregistry.repositories.getIamPolicy artifactregistry.repositories.list
  artifactregistry.repositories.setIamPolicy artifactregistry.repositories.update
  bigquery.datasets.create bigquery.datasets.delete bigquery.datasets.get bigquery.datasets.getIamPolicy
  bigquery.datasets.setIamPolicy bigquery.datasets.update
  bigquery.tables.create bigquery.tables.delete bigquery.tables.get bigquery.tables.getIamPolicy bigquery.tables.list
  bigquery.tables.setIamPolicy bigquery.tables.update
  cloudsql.databases.create cloudsql.databases.delete cloudsql.databases.get cloudsql.databases.list
  cloudsql.databases.update
  cloudsql.instances.create cloudsql.instances.delete cloudsql.instances.get cloudsql.instances.list
  cloudsql.instances.update
  cloudsql.users.delete cloudsql.users.list
  pubsub.subscriptions.create pubsub.subscriptions.delete pubsub.subscriptions.get pubsub.subscriptions.getIamPolicy
  pubsub.subscriptions.list pubsub.subscriptions.setIamPolicy pubsub.subscriptions.update
  pubsub.topics.attachSubscription pubsub.topics.create pubsub.topics.delete pubsub.topics.detachSubscription
  pubsub.topics.get pubsub.topics.getIamPolicy pubsub.topics.list pubsub.topics.setIamPolicy pubsub.topics.update
  run.operations.get run.revisions.get run.revisions.list
  run.services.create run.services.delete run.services.get run.services.getIamPolicy run.services.list
  run.services.setIamPolicy run.services.update
  secretmanager.secrets.create secretmanager.secrets.delete secretmanager.secrets.get
  secretmanager.secrets.getIamPolicy secretmanager.secrets.list secretmanager.secrets.setIamPolicy
  secretmanager.secrets.update
  storage.buckets.create storage.buckets.delete storage.buckets.get storage.buckets.getIamPolicy storage.buckets.list
  storage.buckets.setIamPolicy storage.buckets.update
  storage.objects.delete storage.objects.list
)

# For people on call; operators.tf grants it. Replay seeks subscriptions and reads topics through
# temporary subscriptions. The right to create subscriptions exists only on the project.
readonly replay_role=bikeTrafficReplay
readonly replay_permissions=(
  pubsub.snapshots.create pubsub.snapshots.delete pubsub.snapshots.list pubsub.snapshots.seek
  pubsub.subscriptions.consume pubsub.subscriptions.create pubsub.subscriptions.delete pubsub.subscriptions.get
  pubsub.subscriptions.list
  pubsub.topics.attachSubscription pubsub.topics.get pubsub.topics.list
)

# For the same people: read access to the logs, metrics and services that the runbook refers to,
# without access to data. Calls whose quota the project pays need serviceusage.services.use.
readonly on_call_role=bikeTrafficOnCall
readonly on_call_permissions=(
  cloudscheduler.jobs.get cloudscheduler.jobs.list cloudscheduler.locations.list
  cloudsql.backupRuns.get cloudsql.backupRuns.list cloudsql.instances.get cloudsql.instances.list
  logging.logEntries.list logging.logs.list
  monitoring.alertPolicies.get monitoring.alertPolicies.list monitoring.dashboards.get monitoring.dashboards.list
  monitoring.metricDescriptors.get monitoring.metricDescriptors.list monitoring.monitoredResourceDescriptors.get
  monitoring.monitoredResourceDescriptors.list monitoring.timeSeries.list
  resourcemanager.projects.get
  run.locations.list run.revisions.get run.revisions.list run.services.get run.services.list
  serviceusage.services.use
)

# The roles that terraform may grant on the project; it may grant any role on single resources. This
# script creates the custom roles instead of terraform, because an account that may change a role
# could add permissions for itself.
readonly grantable="'roles/bigquery.jobUser', 'roles/cloudsql.client', \
'projects/$project/roles/$on_call_role', 'projects/$project/roles/$replay_role'"

say() { printf '%s\n' "$*"; }

grant() { # ROLE MEMBER
  gcloud projects add-iam-policy-binding "$project" --role="$1" --member="$2" --condition=None --format=none --quiet
}

revoke() { # ROLE MEMBER
  gcloud projects remove-iam-policy-binding "$project" --role="$1" --member="$2" --all --format=none --quiet
}

roles_of() { # MEMBER
  gcloud projects get-iam-policy "$project" --flatten='bindings[].members' --filter="bindings.members=$1" \
    --format='value(bindings.role)' | sort -u
}

make_role() { # ROLE TITLE DESCRIPTION PERMISSION...
  local role=$1 title=$2 description=$3 permissions
  shift 3
  permissions=$(IFS=, && printf '%s' "$*")
  say "creating or updating the role $role"
  if gcloud iam roles describe "$role" --project="$project" --format=none 2>/dev/null; then
    gcloud iam roles update "$role" --project="$project" --permissions="$permissions" --format=none --quiet
  else
    gcloud iam roles create "$role" --project="$project" --permissions="$permissions" --format=none \
      --title="$title" --description="$description"
  fi
}

# Prints the values of a field of the policy that applies to the project, or nothing if it cannot be
# read or has none.
policy() { # CONSTRAINT FIELD
  gcloud org-policies describe "$1" --project="$project" --effective --format="value(spec.rules[].$2)" 2>/dev/null || true
}

# Prints a line for each policy that would make a step of the deployment fail.
forbidden() {
  local ingress
  ingress=$(policy run.allowedIngress values.allowedValues)
  if [[ -n $ingress && (" ${ingress//[;,\[\]\']/ } " != *" all "* || " ${ingress//[;,\[\]\']/ } " != *" internal "*) ]]; then
    say "run.allowedIngress allows $ingress; needed are all and internal: section \"Ingress\""
  fi
  if [[ $(policy sql.restrictPublicIp enforce) == *True* ]]; then
    say "sql.restrictPublicIp forbids the public address of the database: section \"Public address of the database\""
  fi
  if [[ -n $(policy run.allowedBinaryAuthorizationPolicies values.allowedValues) ]]; then
    say "run.allowedBinaryAuthorizationPolicies requires a policy of each service: section \"Binary Authorization\""
  fi
}

command -v gcloud >/dev/null || { say "gcloud is missing; to install it, see https://cloud.google.com/sdk/docs/install" >&2; exit 1; }

say "enabling the APIs of $project"
gcloud services enable "${apis[@]/%/.googleapis.com}" --project="$project"

say "reading the policies of the organisation"
findings=$(forbidden)
if [ -n "$findings" ]; then
  say "$findings" >&2
  if [ "${SKIP_POLICIES:-}" != 1 ]; then
    say "stopped before anything was created; docs/organisations.md has the remedies; to go on in spite of it, set SKIP_POLICIES=1" >&2
    exit 1
  fi
fi

say "creating the service agent of Pub/Sub"
gcloud beta services identity create --service=pubsub.googleapis.com --project="$project" --format=none

say "creating or updating the bucket gs://$state_bucket"
if ! gcloud storage buckets describe "gs://$state_bucket" --format=none 2>/dev/null; then
  gcloud storage buckets create "gs://$state_bucket" --project="$project" --location="$region" \
    --uniform-bucket-level-access --public-access-prevention
fi
gcloud storage buckets update "gs://$state_bucket" --versioning --public-access-prevention

say "creating the service account $account, if it is missing"
if ! gcloud iam service-accounts describe "$account" --project="$project" --format=none 2>/dev/null; then
  gcloud iam service-accounts create terraform --project="$project" --display-name="terraform" \
    --description="The account that terraform impersonates"
fi

make_role "$deployer_role" "bike-traffic deployer" "Manage resources without reading their contents" "${deployer_permissions[@]}"
make_role "$replay_role" "bike-traffic replay" "Read topics, seek subscriptions, pull dead letters" \
  "${replay_permissions[@]}"
make_role "$on_call_role" "bike-traffic on call" "Read logs, metrics, services and schedules" "${on_call_permissions[@]}"

say "granting roles to $account"
readonly granted=("${roles[@]}" "projects/$project/roles/$deployer_role")
present=$(roles_of "serviceAccount:$account")
# Revokes roles that an earlier version of this script granted, including the conditional one,
# because its condition may have changed.
for role in $present; do
  if [[ " ${granted[*]} " != *" $role "* ]]; then
    revoke "$role" "serviceAccount:$account"
  fi
done
for role in "${granted[@]}"; do
  say "  $role"
  grant "$role" "serviceAccount:$account"
done
say "  roles/resourcemanager.projectIamAdmin, limited to four roles"
condition=$(mktemp)
trap 'rm -f "$condition"' EXIT
cat >"$condition" <<END
title: four-roles-only
description: The roles that terraform may grant on the project
expression: api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([$grantable])
END
gcloud projects add-iam-policy-binding "$project" --role=roles/resourcemanager.projectIamAdmin \
  --member="serviceAccount:$account" --condition-from-file="$condition" --format=none --quiet
say "  roles/storage.objectUser on gs://$state_bucket"
gcloud storage buckets add-iam-policy-binding "gs://$state_bucket" --role=roles/storage.objectUser \
  --member="serviceAccount:$account" --format=none

# Google makes the default account of virtual machines an editor in many projects. Nothing here runs
# as this account.
number=$(gcloud projects describe "$project" --format='value(projectNumber)')
readonly default_account=serviceAccount:$number-compute@developer.gserviceaccount.com
present=$(roles_of "$default_account")
if grep -qx roles/editor <<<"$present"; then
  say "revoking roles/editor from $default_account"
  revoke roles/editor "$default_account"
fi

for member in "$@"; do
  say "allowing $member to impersonate $account"
  gcloud iam service-accounts add-iam-policy-binding "$account" --project="$project" --member="$member" \
    --role=roles/iam.serviceAccountTokenCreator --format=none --quiet
done

say "done; set project_id, region and deployer in environments/*.tfvars, and bucket and account in environments/*.gcs.tfbackend"
