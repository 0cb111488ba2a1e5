# Roles of the function, each on a named resource, and the roles of the deployer.

locals {
  objects  = "projects/_/buckets/${var.bucket}/objects/"
  prefixes = concat(["ledger/${var.name}/"], var.resources.objects)
}

resource "google_pubsub_topic_iam_member" "publishes" {
  for_each = var.output_topics

  topic  = each.value
  role   = "roles/pubsub.publisher"
  member = local.members.function
}

# Functions may read the whole bucket. The role includes listing: without it, Cloud Storage answers
# 403 instead of 404 for a missing object.
resource "google_storage_bucket_iam_member" "reads" {
  bucket = var.bucket
  role   = "roles/storage.objectViewer"
  member = local.members.function
}

# The function writes its own part of the ledger and the objects that its README names. It cannot
# change baselines or the models of other functions.
resource "google_storage_bucket_iam_member" "writes" {
  bucket = var.bucket
  role   = "roles/storage.objectUser"
  member = local.members.function

  condition {
    title      = "own-objects-only"
    expression = join(" || ", [for prefix in local.prefixes : "resource.name.startsWith('${local.objects}${prefix}')"])
  }
}

resource "google_bigquery_dataset_iam_member" "uses" {
  for_each = var.datasets

  dataset_id = each.key
  role       = each.value == "write" ? "roles/bigquery.dataEditor" : "roles/bigquery.dataViewer"
  member     = local.members.function
}

# On the table, not on its dataset. BigQuery has no role that may add rows but not change them, so
# this one is dataEditor.
resource "google_bigquery_table_iam_member" "audits" {
  dataset_id = var.audit_log.dataset
  table_id   = var.audit_log.table
  role       = "roles/bigquery.dataEditor"
  member     = local.members.function
}

# The only role on the project, because queries and load jobs belong to a project. It gives no
# access to data.
resource "google_project_iam_member" "runs_jobs" {
  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = local.members.function
}

resource "google_secret_manager_secret_iam_member" "reads" {
  for_each = toset(values(var.secrets))

  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members.function
}

# A principal that deploys a service or a push subscription must be allowed to act as its account.
# The grants cover these two accounts only. Terraform grants itself this role, because it creates
# the accounts. A condition on a project-wide grant cannot name service accounts:
# https://cloud.google.com/iam/docs/conditions-resource-attributes
resource "google_service_account_iam_member" "deployer" {
  for_each = var.deployer == null ? {} : local.emails

  service_account_id = "projects/${var.project_id}/serviceAccounts/${each.value}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.deployer}"
}
