locals {
  environment = merge(
    {
      MLFLOW_ARTIFACTS_DESTINATION        = var.server.artifacts
      MLFLOW_DISABLE_TELEMETRY            = "true"
      MLFLOW_SERVER_ALLOWED_HOSTS         = "${var.name}-*.run.app"
      MLFLOW_SERVER_ENABLE_JOB_EXECUTION  = "false"
      MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW = "1"
      MLFLOW_SQLALCHEMYSTORE_POOL_SIZE    = "2"
    },
    var.login == null ? {} : { MLFLOW_TRACKING_USERNAME = var.login.username },
  )
  secrets = merge(
    { MLFLOW_BACKEND_STORE_URI = var.server.database_secret },
    var.login == null ? {} : { MLFLOW_TRACKING_PASSWORD = var.login.password_secret },
  )
}

moved {
  from = google_cloud_run_v2_service.door
  to   = google_cloud_run_v2_service.endpoint
}

resource "google_cloud_run_v2_service" "endpoint" {
  name                = var.name
  location            = var.server.region
  deletion_protection = var.server.protected

  # Exactly one of two checks applies, because a request carries either a password or a token. With
  # a login, MLflow checks the password and the service is closed to the internet. Without a login,
  # Cloud Run checks the token.
  invoker_iam_disabled = var.login != null
  ingress              = var.login != null ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"

  # The default of Cloud Run, which returns it for every service. Without it, every plan removes it.
  scaling {
    min_instance_count = 0
  }

  template {
    labels                           = { secret-generation = tostring(var.server.generation) }
    service_account                  = var.server.service_account
    timeout                          = "300s"
    max_instance_request_concurrency = 40

    scaling {
      min_instance_count = 0
      # Keeps both endpoints together below the 25 connections of the smallest database.
      max_instance_count = 1
    }

    containers {
      image = var.server.image

      resources {
        limits            = { cpu = "1", memory = "2Gi" }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      ports {
        container_port = 8080
      }

      # MLflow takes 10 to 20 seconds to start.
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
        instances = [var.server.instance]
      }
    }
  }

  # This is the default of Cloud Run. It is explicit so that a deployment undoes a revision pinned
  # with gcloud.
  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }
}

resource "google_cloud_run_v2_service_iam_binding" "invokers" {
  count = length(var.invoker_members) == 0 ? 0 : 1

  name     = google_cloud_run_v2_service.endpoint.name
  location = google_cloud_run_v2_service.endpoint.location
  role     = "roles/run.invoker"
  members  = var.invoker_members
}
