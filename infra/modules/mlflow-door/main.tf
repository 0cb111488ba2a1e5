locals {
  environment = merge(
    {
      MLFLOW_ARTIFACTS_DESTINATION        = var.door.artifacts
      MLFLOW_DISABLE_TELEMETRY            = "true"
      MLFLOW_SERVER_ALLOWED_HOSTS         = "${var.name}-*.run.app"
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION  = "false"
      MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW = "1"
      MLFLOW_SQLALCHEMYSTORE_POOL_SIZE    = "2"
    },
    var.login == null ? {} : { MLFLOW_TRACKING_USERNAME = var.login.username },
  )
  secrets = merge(
    { MLFLOW_BACKEND_STORE_URI = var.door.database_secret },
    var.login == null ? {} : { MLFLOW_TRACKING_PASSWORD = var.login.password_secret },
  )
}

resource "google_cloud_run_v2_service" "door" {
  name                = var.name
  location            = var.door.region
  deletion_protection = var.door.protected

  # Exactly one of the two checks: a caller with a password cannot show a token as well. Without Cloud Run's check the
  # service is closed to the internet, and MLflow asks for the password.
  invoker_iam_disabled = var.login != null
  ingress              = var.login != null ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"

  template {
    labels                           = { secret-generation = tostring(var.door.generation) }
    service_account                  = var.door.service_account
    timeout                          = "300s"
    max_instance_request_concurrency = 40

    scaling {
      min_instance_count = 0
      # Of both doors together no more connections come about than the smallest database takes, which is 25.
      max_instance_count = 1
    }

    containers {
      image = var.door.image

      resources {
        limits            = { cpu = "1", memory = "2Gi" }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      ports {
        container_port = 8080
      }

      # It takes 10 to 20 seconds to start.
      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = 60
        http_get {
          path = "/health"
        }
      }

      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = local.secrets
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      volume_mounts {
        name       = "cloudsql"
        mount_path = "/cloudsql"
      }
    }

    volumes {
      name = "cloudsql"
      cloud_sql_instance {
        instances = [var.door.instance]
      }
    }
  }

  # Said although it is what Cloud Run does: else what gcloud has pinned to a revision, in a hurry, would stay pinned.
  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }
}

resource "google_cloud_run_v2_service_iam_binding" "invokers" {
  count = length(var.invoker_members) == 0 ? 0 : 1

  name     = google_cloud_run_v2_service.door.name
  location = google_cloud_run_v2_service.door.location
  role     = "roles/run.invoker"
  members  = var.invoker_members
}
