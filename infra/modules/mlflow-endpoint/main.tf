locals {
  environment = {
    MLFLOW_ARTIFACTS_DESTINATION        = var.server.artifacts
    MLFLOW_DISABLE_TELEMETRY            = "true"
    MLFLOW_SERVER_ALLOWED_HOSTS         = "${var.name}-*.run.app"
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION  = "false"
    MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW = "1"
    MLFLOW_SQLALCHEMYSTORE_POOL_SIZE    = "2"
  }
  secrets = { MLFLOW_BACKEND_STORE_URI = var.server.database_secret }
  # The connector of Cloud Run reaches the public address of the database only.
  connectors = var.server.private_network == null ? [var.server.instance] : []
}

moved {
  from = google_cloud_run_v2_service.door
  to   = google_cloud_run_v2_service.endpoint
}

moved {
  from = google_cloud_run_v2_service_iam_binding.invokers[0]
  to   = google_cloud_run_v2_service_iam_binding.invokers
}

resource "google_cloud_run_v2_service" "endpoint" {
  name                = var.name
  location            = var.server.region
  deletion_protection = var.server.protected

  # MLflow itself checks no caller, so Cloud Run must. People call it from their machines.
  invoker_iam_disabled = false
  ingress              = "INGRESS_TRAFFIC_ALL"

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
      # An instance holds up to eight connections, as tests/mlflow_start.py counts. Two revisions
      # together stay below the 25 connections of the smallest database.
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

      # MLflow takes 10 to 20 seconds to start, and a minute when it creates its tables.
      startup_probe {
        period_seconds    = 5
        timeout_seconds   = 5
        failure_threshold = 24
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

      dynamic "volume_mounts" {
        for_each = local.connectors
        content {
          name       = "cloudsql"
          mount_path = "/cloudsql"
        }
      }
    }

    dynamic "volumes" {
      for_each = local.connectors
      content {
        name = "cloudsql"
        cloud_sql_instance {
          instances = [volumes.value]
        }
      }
    }

    # Only to the private address of the database.
    dynamic "vpc_access" {
      for_each = var.server.private_network[*]
      content {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          network    = vpc_access.value.network
          subnetwork = vpc_access.value.subnetwork
        }
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

# The complete list of callers: the next apply removes grants that were added by hand.
resource "google_cloud_run_v2_service_iam_binding" "invokers" {
  name     = google_cloud_run_v2_service.endpoint.name
  location = google_cloud_run_v2_service.endpoint.location
  role     = "roles/run.invoker"
  members  = var.invoker_members
}
