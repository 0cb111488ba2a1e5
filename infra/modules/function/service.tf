locals {
  # What the accounts are called is known before they are made, so that a plan shows it.
  emails = {
    function = "${google_service_account.function.account_id}@${var.project_id}.iam.gserviceaccount.com"
    push     = "${google_service_account.push.account_id}@${var.project_id}.iam.gserviceaccount.com"
  }
  members = { for name, email in local.emails : name => "serviceAccount:${email}" }

  # Fixed, so that it is known before the service has an address. The name can belong to nobody.
  audience = "https://${var.name}.${var.project_id}.invalid"
}

# What the function runs as.
resource "google_service_account" "function" {
  account_id   = "fn-${var.name}"
  display_name = "bike-traffic ${var.name}"
  description  = "What the function ${var.name} runs as"
}

resource "google_cloud_run_v2_service" "function" {
  name                 = var.name
  location             = var.region
  deletion_protection  = var.protected
  custom_audiences     = [local.audience]
  invoker_iam_disabled = false
  # Pub/Sub of the same project counts as internal.
  ingress = length(var.callers) == 0 ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"

  template {
    labels                           = { secret-generation = tostring(var.generation) }
    service_account                  = local.emails.function
    timeout                          = "${var.resources.timeout_seconds}s"
    max_instance_request_concurrency = var.resources.concurrency

    scaling {
      min_instance_count = var.resources.minimum_instances
      max_instance_count = var.resources.maximum_instances
    }

    containers {
      image = var.image

      resources {
        limits            = { cpu = var.resources.cpu, memory = var.resources.memory }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      ports {
        container_port = 8080
      }

      startup_probe {
        period_seconds    = 1
        timeout_seconds   = 1
        failure_threshold = 30
        http_get {
          path = "/readyz"
        }
      }
      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/livez"
        }
      }

      dynamic "env" {
        for_each = var.environment
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = var.secrets
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
    }

    dynamic "vpc_access" {
      for_each = var.subnetwork[*]
      content {
        egress = "ALL_TRAFFIC"
        network_interfaces {
          network    = vpc_access.value.network
          subnetwork = vpc_access.value.subnetwork
        }
      }
    }
  }

  # Said although it is what Cloud Run does: else what gcloud has pinned to a revision, in a hurry, would stay pinned.
  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  # Cloud Run looks whether the account may read the secrets when a revision is made.
  depends_on = [google_secret_manager_secret_iam_member.reads, google_service_account_iam_member.deployer]
}

# Who may call it, and nobody else: what is granted by hand is taken away at the next apply.
resource "google_cloud_run_v2_service_iam_binding" "invokers" {
  name     = google_cloud_run_v2_service.function.name
  location = google_cloud_run_v2_service.function.location
  role     = "roles/run.invoker"
  members  = setunion([local.members.push], var.callers)
}
