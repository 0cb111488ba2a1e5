# What the function may do, each on a named resource; and at the end, who may deploy it.

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

# Everything in the bucket is for the functions to read. Listing is part of it: without, a missing object is answered
# with 403 instead of 404.
resource "google_storage_bucket_iam_member" "reads" {
  bucket = var.bucket
  role   = "roles/storage.objectViewer"
  member = local.members.function
}

# It writes its own part of the ledger and what its README says, and can touch neither baselines nor the models of others.
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

# The one table, not its dataset. Editor, since BigQuery knows no role that may add rows and not change them.
resource "google_bigquery_table_iam_member" "audits" {
  dataset_id = var.audit_log.dataset
  table_id   = var.audit_log.table
  role       = "roles/bigquery.dataEditor"
  member     = local.members.function
}

# The one role on the project, since queries and load jobs belong to projects. It gives access to no data.
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

# Whoever deploys a service or a push must be allowed to act as its account: on these two, and not on all of the project.
# Terraform gives this right to itself, since it makes the accounts. A condition on a right on the project could not name
# them: https://cloud.google.com/iam/docs/conditions-resource-attributes knows no service accounts.
resource "google_service_account_iam_member" "deployer" {
  for_each = var.deployer == null ? {} : local.emails

  service_account_id = "projects/${var.project_id}/serviceAccounts/${each.value}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.deployer}"
}
