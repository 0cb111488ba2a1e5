# What a person on call may do: `bike-traffic train`, `export`, `status`, `rollback` and `replay` with --cloud, and look at
# MLflow (its invokers are in mlflow.tf). No function has any of these.

locals {
  # One entry for each operator and resource.
  operator_topics   = { for pair in setproduct(var.operators, keys(google_pubsub_topic.event)) : join(" ", pair) => pair }
  operator_datasets = { for pair in setproduct(var.operators, keys(local.datasets)) : join(" ", pair) => pair }
}

# Baselines, champions and exports are written from a person's machine, and the ledger is read there.
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

# A rollback leaves a row in the audit log.
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

# Dead letters go back to the topics that the functions read, and requests are published by hand.
resource "google_pubsub_topic_iam_member" "operators" {
  for_each = local.operator_topics

  topic  = google_pubsub_topic.event[each.value[1]].name
  role   = "roles/pubsub.publisher"
  member = each.value[0]
}

# Replay sets subscriptions back and looks through topics by subscriptions that live for a minute; the right to make
# those can only be had on the project.
resource "google_project_iam_custom_role" "replay" {
  role_id     = "bikeTrafficReplay"
  title       = "bike-traffic replay"
  description = "Look through topics, set subscriptions back, take dead letters"
  permissions = [
    "pubsub.snapshots.create",
    "pubsub.snapshots.delete",
    "pubsub.snapshots.list",
    "pubsub.snapshots.seek",
    "pubsub.subscriptions.consume",
    "pubsub.subscriptions.create",
    "pubsub.subscriptions.delete",
    "pubsub.subscriptions.get",
    "pubsub.subscriptions.list",
    "pubsub.topics.attachSubscription",
    "pubsub.topics.get",
    "pubsub.topics.list",
  ]
}

resource "google_project_iam_member" "operators_replay" {
  for_each = var.operators

  project = var.project_id
  role    = "projects/${var.project_id}/roles/${google_project_iam_custom_role.replay.role_id}"
  member  = each.value
}
