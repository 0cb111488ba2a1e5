#!/usr/bin/env bash
# Makes what terraform itself needs in a project: the APIs, the bucket of its state, the account it acts as, and the
# rights of that account. What is there is left as it is, or brought to what stands here, so it can be run again.
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
  roles/artifactregistry.admin
  roles/browser
  roles/cloudscheduler.admin
  roles/cloudsql.admin
  roles/compute.networkAdmin
  roles/iam.roleAdmin
  roles/iam.serviceAccountAdmin
  roles/iam.serviceAccountUser
  roles/logging.configWriter
  roles/monitoring.alertPolicyEditor
  roles/monitoring.dashboardEditor
  roles/monitoring.notificationChannelEditor
  roles/pubsub.admin
  roles/run.admin
)

# Instead of storage.admin, bigquery.admin and secretmanager.admin: terraform makes and deletes buckets, datasets and
# secrets, and says who may use them; it reads no object, no row and no secret. Objects are deleted with dev's buckets.
readonly deployer_role=bikeTrafficDeployer
readonly deployer_permissions=(
  bigquery.datasets.create bigquery.datasets.delete bigquery.datasets.get bigquery.datasets.getIamPolicy
  bigquery.datasets.setIamPolicy bigquery.datasets.update
  bigquery.tables.create bigquery.tables.delete bigquery.tables.get bigquery.tables.getIamPolicy bigquery.tables.list
  bigquery.tables.setIamPolicy bigquery.tables.update
  secretmanager.secrets.create secretmanager.secrets.delete secretmanager.secrets.get
  secretmanager.secrets.getIamPolicy secretmanager.secrets.list secretmanager.secrets.setIamPolicy
  secretmanager.secrets.update
  storage.buckets.create storage.buckets.delete storage.buckets.get storage.buckets.getIamPolicy storage.buckets.list
  storage.buckets.setIamPolicy storage.buckets.update
  storage.objects.delete storage.objects.list
)

# The roles that terraform may hand out on the project; on single resources it may hand out any.
readonly grantable="'roles/bigquery.jobUser', 'roles/cloudsql.client', 'projects/$project/roles/bikeTrafficReplay'"

say() { printf '%s\n' "$*"; }

grant() { # ROLE MEMBER CONDITION
  gcloud projects add-iam-policy-binding "$project" --role="$1" --member="$2" --condition="$3" --format=none --quiet
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

say "the role $deployer_role"
permissions=$(IFS=, && printf '%s' "${deployer_permissions[*]}")
if gcloud iam roles describe "$deployer_role" --project="$project" --format=none 2>/dev/null; then
  gcloud iam roles update "$deployer_role" --project="$project" --permissions="$permissions" --format=none --quiet
else
  gcloud iam roles create "$deployer_role" --project="$project" --permissions="$permissions" --format=none \
    --title="bike-traffic deployer" --description="Buckets, datasets and secrets, without their contents"
fi

say "the rights of $account"
for role in "${roles[@]}" "projects/$project/roles/$deployer_role"; do
  say "  $role"
  grant "$role" "serviceAccount:$account" None
done
say "  roles/resourcemanager.projectIamAdmin, for three roles only"
condition=$(mktemp)
trap 'rm -f "$condition"' EXIT
cat >"$condition" <<END
title: three-roles-only
description: What terraform may hand out on the project
expression: api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([$grantable])
END
gcloud projects add-iam-policy-binding "$project" --role=roles/resourcemanager.projectIamAdmin \
  --member="serviceAccount:$account" --condition-from-file="$condition" --format=none --quiet
say "  roles/storage.objectUser on gs://$state_bucket"
gcloud storage buckets add-iam-policy-binding "gs://$state_bucket" --role=roles/storage.objectUser \
  --member="serviceAccount:$account" --format=none

for member in "$@"; do
  say "$member may act as $account"
  gcloud iam service-accounts add-iam-policy-binding "$account" --project="$project" --member="$member" \
    --role=roles/iam.serviceAccountTokenCreator --format=none --quiet
done

say "done: project_id, region and deployer belong into environments/*.tfvars, bucket and account into environments/*.gcs.tfbackend"
