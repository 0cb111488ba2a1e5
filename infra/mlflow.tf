# MLflow's server on Cloud Run, and its database.
#
# The database is Cloud SQL instead of SQLite on a mounted bucket: the champion is an alias in the
# database, and Cloud Storage offers neither the locks nor the partial writes that SQLite needs.
# Cloud SQL is the only part of this system that costs money while idle.
#
# Cloud Run checks every caller by a Google ID token: the accounts of the functions that use MLflow,
# and the members of `operators`, themselves or through the account `operators`.
#
# The server proxies artifacts to the MLflow bucket, so no client needs access to the bucket. Cloud
# Run limits a request to 32 MiB; a model of 300 rounds has 1.2 MB.

locals {
  mlflow_email  = "${google_service_account.mlflow.account_id}@${var.project_id}.iam.gserviceaccount.com"
  mlflow_member = "serviceAccount:${local.mlflow_email}"

  mlflow_server = {
    project_id      = var.project_id
    private_network = var.mlflow_database_private_network
    region          = var.region
    image           = local.images["mlflow"]
    protected       = local.protected
    service_account = local.mlflow_email
    instance        = google_sql_database_instance.mlflow.connection_name
    artifacts       = "gs://${google_storage_bucket.mlflow.name}"
    generation      = var.secret_generation
    database_secret = google_secret_manager_secret.secret["mlflow-database"].secret_id
  }
}

resource "google_service_account" "mlflow" {
  account_id   = "mlflow"
  display_name = "bike-traffic MLflow"
  description  = "Runs the MLflow server"
}

# A principal that deploys a service must be allowed to act as its account. The grant covers this
# account only, not the project.
resource "google_service_account_iam_member" "deployer" {
  count = var.deployer == null ? 0 : 1

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.mlflow_email}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.deployer}"
}

resource "google_sql_database_instance" "mlflow" {
  name                = "mlflow"
  database_version    = "POSTGRES_16"
  region              = var.region
  deletion_protection = local.protected

  settings {
    tier              = var.mlflow_tier
    edition           = "ENTERPRISE"
    availability_type = var.mlflow_availability
    disk_type         = "PD_SSD"
    # Grows from 10 GB. There is no fixed size, because a plan would shrink the disk after growing.
    disk_autoresize             = true
    disk_autoresize_limit       = 50
    deletion_protection_enabled = local.protected
    # With a public address, only connections through Google's connectors, which check IAM, are
    # accepted. Cloud Run's connector does not use a private address.
    connector_enforcement = var.mlflow_database_private_network == null ? "REQUIRED" : "NOT_REQUIRED"

    ip_configuration {
      # There are no authorized networks.
      ipv4_enabled    = var.mlflow_database_private_network == null
      private_network = try(var.mlflow_database_private_network.network, null)
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "02:00"
      point_in_time_recovery_enabled = local.protected
      transaction_log_retention_days = local.protected ? 7 : null
      backup_retention_settings {
        retained_backups = local.protected ? 14 : 3
      }
    }

    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }
  }
}

# secrets.sh creates the user `mlflow`, which keeps its password out of the state.
resource "google_sql_database" "mlflow" {
  name     = "mlflow"
  instance = google_sql_database_instance.mlflow.name

  # PostgreSQL does not drop a database while a user owns its tables. It goes with its instance.
  deletion_policy = "ABANDON"
}

moved {
  from = module.mlflow_for_functions
  to   = module.mlflow
}

# Terraform does not delete a protected service. docs/deploy.md has the command, in the section
# "Upgrade from two MLflow services".
removed {
  from = module.mlflow_for_operators

  lifecycle {
    destroy = false
  }
}

module "mlflow" {
  source = "./modules/mlflow-endpoint"

  name   = "mlflow"
  server = local.mlflow_server
  invoker_members = setunion(
    var.operators,
    ["serviceAccount:${google_service_account.operators.account_id}@${var.project_id}.iam.gserviceaccount.com"],
    [for name, function in local.functions : "serviceAccount:${module.function[name].account_ids.function}@${var.project_id}.iam.gserviceaccount.com" if function.mlflow],
  )

  depends_on = [
    google_project_iam_member.mlflow_database,
    google_secret_manager_secret_iam_member.mlflow,
    google_service_account_iam_member.deployer,
    google_sql_database.mlflow,
  ]
}

resource "google_storage_bucket_iam_member" "mlflow" {
  bucket = google_storage_bucket.mlflow.name
  role   = "roles/storage.objectUser"
  member = local.mlflow_member
}

resource "google_secret_manager_secret_iam_member" "mlflow" {
  for_each = { for name, secret in google_secret_manager_secret.secret : name => secret if startswith(name, "mlflow-") }

  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.mlflow_member
}

# Cloud SQL roles can only be granted on a project, so the condition names the instance.
resource "google_project_iam_member" "mlflow_database" {
  project = var.project_id
  role    = "roles/cloudsql.client"
  member  = local.mlflow_member

  condition {
    title      = "mlflow-instance-only"
    expression = "resource.service == 'sqladmin.googleapis.com' && resource.name == 'projects/${var.project_id}/instances/${google_sql_database_instance.mlflow.name}'"
  }
}
