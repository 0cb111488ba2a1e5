# What a person on call may do: every command of `bike-traffic` that takes --cloud (train, retrain, publish-baseline, data,
# export, ingest, status, replay, rollback, drift-check), look at MLflow (its invokers are in mlflow.tf), and see what the
# runbook tells him to look at. No function has any of these.

locals {
  # One entry for each operator and resource, or role.
  operator_topics   = { for pair in setproduct(var.operators, keys(google_pubsub_topic.event)) : join(" ", pair) => pair }
  operator_datasets = { for pair in setproduct(var.operators, keys(local.datasets)) : join(" ", pair) => pair }
  operator_roles    = { for pair in setproduct(var.operators, keys(local.project_roles)) : join(" ", pair) => pair }

  # The project's own, which bootstrap.sh makes: see there what is in them, and why terraform may not.
  project_roles = { for name in ["bikeTrafficOnCall", "bikeTrafficReplay"] : name => "projects/${var.project_id}/roles/${name}" }
}

# Baselines, champions and exports are written and read from a person's machine, and the ledger is read there.
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

# A retraining and a rollback each leave a row in the audit log.
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

# Dead letters go back to the topics that the functions read, and days and weeks are asked for.
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
