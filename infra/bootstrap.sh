#!/usr/bin/env bash
# Makes what terraform itself needs in a project: the APIs, the bucket of its state, the account it acts as, the rights of
# that account, and the roles that are the project's own. What is there is left as it is, or brought to what stands here,
# so it can be run again, and is to be run again when it has changed.
#
# Usage: infra/bootstrap.sh PROJECT REGION MEMBER...
#   infra/bootstrap.sh bike-traffic-dev europe-west1 group:bike-traffic-dev@example.com
# Each MEMBER may deploy: act as terraform's account. Needs gcloud, logged in as an owner of the project.
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
  artifactregistry bigquery cloudresourcemanager cloudscheduler compute iam iamcredentials logging monitoring
  pubsub run secretmanager sqladmin storage
)

# On the project, since what they are needed for is made by terraform and has no name to grant on before.
readonly roles=(
  roles/artifactregistry.writer
  roles/browser
  roles/cloudscheduler.admin
  roles/compute.networkAdmin
  roles/iam.serviceAccountAdmin
  roles/logging.configWriter
  roles/monitoring.alertPolicyEditor
  roles/monitoring.dashboardEditor
  roles/monitoring.notificationChannelEditor
)

# Instead of run.admin, pubsub.admin, cloudsql.admin, storage.admin, bigquery.admin and secretmanager.admin: terraform
# makes and deletes services, topics, databases, buckets, datasets and secrets, and says who may use them; it calls no
# service, takes no message, and reads no object, no row and no secret. Objects are deleted with dev's buckets. Of the
# database's users it sees and deletes: its provider looks for a root without a password in each new instance.
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

# For people on call, whom operators.tf grants it. Replay sets subscriptions back and looks through topics by
# subscriptions that live for a minute; the right to make those can only be had on the project.
readonly replay_role=bikeTrafficReplay
readonly replay_permissions=(
  pubsub.snapshots.create pubsub.snapshots.delete pubsub.snapshots.list pubsub.snapshots.seek
  pubsub.subscriptions.consume pubsub.subscriptions.create pubsub.subscriptions.delete pubsub.subscriptions.get
  pubsub.subscriptions.list
  pubsub.topics.attachSubscription pubsub.topics.get pubsub.topics.list
)

# For the same people: what the runbook looks at, and nothing of the data.
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
)

# The roles that terraform may hand out on the project; on single resources it may hand out any. The project's own roles
# are made here and not by terraform: who may change a role on the project could add to it whatever he lacks.
readonly grantable="'roles/bigquery.jobUser', 'roles/cloudsql.client', \
'projects/$project/roles/$on_call_role', 'projects/$project/roles/$replay_role'"

say() { printf '%s\n' "$*"; }

grant() { # ROLE MEMBER
  gcloud projects add-iam-policy-binding "$project" --role="$1" --member="$2" --condition=None --format=none --quiet
}

take_away() { # ROLE MEMBER
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
  say "the role $role"
  if gcloud iam roles describe "$role" --project="$project" --format=none 2>/dev/null; then
    gcloud iam roles update "$role" --project="$project" --permissions="$permissions" --format=none --quiet
  else
    gcloud iam roles create "$role" --project="$project" --permissions="$permissions" --format=none \
      --title="$title" --description="$description"
  fi
}

command -v gcloud >/dev/null || { say "gcloud is not there: https://cloud.google.com/sdk/docs/install" >&2; exit 1; }

say "APIs of $project"
gcloud services enable "${apis[@]/%/.googleapis.com}" --project="$project"

say "the account of Pub/Sub itself, which terraform grants on"
gcloud beta services identity create --service=pubsub.googleapis.com --project="$project" --format=none

say "the bucket gs://$state_bucket"
if ! gcloud storage buckets describe "gs://$state_bucket" --format=none 2>/dev/null; then
  gcloud storage buckets create "gs://$state_bucket" --project="$project" --location="$region" \
    --uniform-bucket-level-access --public-access-prevention
fi
gcloud storage buckets update "gs://$state_bucket" --versioning --public-access-prevention

say "the account $account"
if ! gcloud iam service-accounts describe "$account" --project="$project" --format=none 2>/dev/null; then
  gcloud iam service-accounts create terraform --project="$project" --display-name="terraform" \
    --description="What terraform acts as"
fi

make_role "$deployer_role" "bike-traffic deployer" "What terraform makes, without the contents" "${deployer_permissions[@]}"
make_role "$replay_role" "bike-traffic replay" "Look through topics, set subscriptions back, take dead letters" \
  "${replay_permissions[@]}"
make_role "$on_call_role" "bike-traffic on call" "See logs, metrics, services and schedules" "${on_call_permissions[@]}"

say "the rights of $account"
readonly rights=("${roles[@]}" "projects/$project/roles/$deployer_role")
had=$(roles_of "serviceAccount:$account")
# What an earlier version of this script gave it; the conditional one as well, whose condition may be another now.
for role in $had; do
  if [[ " ${rights[*]} " != *" $role "* ]]; then
    take_away "$role" "serviceAccount:$account"
  fi
done
for role in "${rights[@]}"; do
  say "  $role"
  grant "$role" "serviceAccount:$account"
done
say "  roles/resourcemanager.projectIamAdmin, for four roles only"
condition=$(mktemp)
trap 'rm -f "$condition"' EXIT
cat >"$condition" <<END
title: four-roles-only
description: What terraform may hand out on the project
expression: api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([$grantable])
END
gcloud projects add-iam-policy-binding "$project" --role=roles/resourcemanager.projectIamAdmin \
  --member="serviceAccount:$account" --condition-from-file="$condition" --format=none --quiet
say "  roles/storage.objectUser on gs://$state_bucket"
gcloud storage buckets add-iam-policy-binding "gs://$state_bucket" --role=roles/storage.objectUser \
  --member="serviceAccount:$account" --format=none

# Google's own account for virtual machines, which nothing here runs as, is an editor of many a project.
number=$(gcloud projects describe "$project" --format='value(projectNumber)')
readonly default_account=serviceAccount:$number-compute@developer.gserviceaccount.com
had=$(roles_of "$default_account")
if grep -qx roles/editor <<<"$had"; then
  say "$default_account is no editor"
  take_away roles/editor "$default_account"
fi

for member in "$@"; do
  say "$member may act as $account"
  gcloud iam service-accounts add-iam-policy-binding "$account" --project="$project" --member="$member" \
    --role=roles/iam.serviceAccountTokenCreator --format=none --quiet
done

say "done: project_id, region and deployer belong into environments/*.tfvars, bucket and account into environments/*.gcs.tfbackend"
