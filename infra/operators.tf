# Roles of the people on call. They can run every command of `bike-traffic` that takes --cloud
# (train, retrain, publish-baseline, data, export, ingest, status, replay, rollback, drift-check,
# fine-tune), use MLflow (its invokers are in mlflow.tf), and read the logs, metrics and services
# that the runbook refers to. No function has any of these roles.

# Calls MLflow for the commands of operators. Google gives a program ID tokens of a service account,
# which it can renew, but none of a person. The account has no other role.
resource "google_service_account" "operators" {
  account_id   = "operators"
  display_name = "bike-traffic operators"
  description  = "Calls MLflow for the commands of people on call, who impersonate it"
}

resource "google_service_account_iam_member" "operators" {
  for_each = var.operators

  service_account_id = "projects/${var.project_id}/serviceAccounts/${google_service_account.operators.account_id}@${var.project_id}.iam.gserviceaccount.com"
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = each.value
}

locals {
  # One element for each pair of an operator and a resource or role.
  operator_topics   = { for pair in setproduct(var.operators, keys(google_pubsub_topic.event)) : join(" ", pair) => pair }
  operator_datasets = { for pair in setproduct(var.operators, keys(local.datasets)) : join(" ", pair) => pair }
  operator_roles    = { for pair in setproduct(var.operators, keys(local.project_roles)) : join(" ", pair) => pair }

  # Custom roles that bootstrap.sh creates. bootstrap.sh documents their permissions and the reason
  # why terraform may not change them.
  project_roles = { for name in ["bikeTrafficOnCall", "bikeTrafficReplay"] : name => "projects/${var.project_id}/roles/${name}" }
}

# Operators write and read baselines, champions and exports, and read the ledger.
resource "google_storage_bucket_iam_member" "operators" {
  for_each = var.operators

  bucket = google_storage_bucket.artifacts.name
  role   = "roles/storage.objectUser"
  member = each.value
}

resource "google_bigquery_dataset_iam_member" "operators" {
  for_each = local.operator_datasets

  dataset_id = google_bigquery_dataset.dataset[each.value[1]].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value[0]
}

# A retraining and a rollback each add a row to the audit log.
resource "google_bigquery_table_iam_member" "operators" {
  for_each = var.operators

  dataset_id = google_bigquery_table.logs.dataset_id
  table_id   = google_bigquery_table.logs.table_id
  role       = "roles/bigquery.dataEditor"
  member     = each.value
}

resource "google_project_iam_member" "operators_jobs" {
  for_each = var.operators

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = each.value
}

# Operators republish dead letters to the input topics, and request days and weeks.
resource "google_pubsub_topic_iam_member" "operators" {
  for_each = local.operator_topics

  topic  = google_pubsub_topic.event[each.value[1]].name
  role   = "roles/pubsub.publisher"
  member = each.value[0]
}

resource "google_project_iam_member" "operators" {
  for_each = local.operator_roles

  project = var.project_id
  role    = local.project_roles[each.value[1]]
  member  = each.value[0]
}
