# MLflow's server on Cloud Run, its database, and its two doors.
#
# The database is Cloud SQL rather than SQLite on a mounted bucket: the champion is an alias in it, and Cloud Storage has
# neither the locks nor the partial writes that SQLite stands on. It is the one thing in this system that costs money
# when nothing happens.
#
# A caller has one Authorization header, so each door asks for the one thing that its callers can show:
#   mlflow           for functions: a password (MLflow's own basic-auth app). Only reached from the project's network. Why
#                    not a token of Google's, which Cloud Run would check: docs/deploy.md, section "What protects it".
#   mlflow-operators for people: Google's token, checked by Cloud Run, of whoever is named in `operators`.
#
# Both pass artifacts on to their bucket, so that nobody else needs a right on it. Cloud Run takes 32 MiB in a request;
# a model of 300 rounds has 1.2 MB.

locals {
  mlflow_username = "functions"

  mlflow_email  = "${google_service_account.mlflow.account_id}@${var.project_id}.iam.gserviceaccount.com"
  mlflow_member = "serviceAccount:${local.mlflow_email}"

  mlflow_door = {
    project_id      = var.project_id
    region          = var.region
    image           = "${local.registry}/mlflow:${var.image_tag}"
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
  description  = "What MLflow's server runs as"
}

# Whoever deploys a service must be allowed to act as its account: on this one, and not on all of the project.
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
    tier                        = var.mlflow_tier
    edition                     = "ENTERPRISE"
    availability_type           = "ZONAL"
    disk_size                   = 10
    disk_type                   = "PD_SSD"
    disk_autoresize             = true
    disk_autoresize_limit       = 50
    deletion_protection_enabled = local.protected
    # No way in but through Google's connectors, which ask IAM.
    connector_enforcement = "REQUIRED"

    ip_configuration {
      # Cloud Run's connector comes in by it; there are no authorized networks.
      ipv4_enabled = true
      ssl_mode     = "ENCRYPTED_ONLY"
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

# Its user, named mlflow, is made by secrets.sh, so that the password is not in the state.
resource "google_sql_database" "mlflow" {
  name     = "mlflow"
  instance = google_sql_database_instance.mlflow.name
}

module "mlflow_for_functions" {
  source = "./modules/mlflow-door"

  name            = "mlflow"
  door            = local.mlflow_door
  login           = { username = local.mlflow_username, password_secret = google_secret_manager_secret.secret["mlflow-password"].secret_id }
  invoker_members = []

  depends_on = [
    google_project_iam_member.mlflow_database,
    google_secret_manager_secret_iam_member.mlflow,
    google_service_account_iam_member.deployer,
    google_sql_database.mlflow,
  ]
}

module "mlflow_for_operators" {
  source = "./modules/mlflow-door"

  name            = "mlflow-operators"
  door            = local.mlflow_door
  login           = null
  invoker_members = var.operators

  # Whoever starts first makes the tables; two at once would trip over each other.
  depends_on = [module.mlflow_for_functions]
}

resource "google_storage_bucket_iam_member" "mlflow" {
  bucket = google_storage_bucket.mlflow.name
  role   = "roles/storage.objectUser"
  member = local.mlflow_member
}

resource "google_secret_manager_secret_iam_member" "mlflow" {
  for_each = google_secret_manager_secret.secret

  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.mlflow_member
}

# Cloud SQL grants on projects only; the condition names the instance.
resource "google_project_iam_member" "mlflow_database" {
  project = var.project_id
  role    = "roles/cloudsql.client"
  member  = local.mlflow_member

  condition {
    title      = "mlflow-instance-only"
    expression = "resource.service == 'sqladmin.googleapis.com' && resource.name == 'projects/${var.project_id}/instances/${google_sql_database_instance.mlflow.name}'"
  }
}
