locals {
  # Derived from the account ids, so a plan shows the addresses before the accounts exist.
  emails = {
    function = "${google_service_account.function.account_id}@${var.project_id}.iam.gserviceaccount.com"
    push     = "${google_service_account.push.account_id}@${var.project_id}.iam.gserviceaccount.com"
  }
  members = { for name, email in local.emails : name => "serviceAccount:${email}" }

  # A fixed audience, known before the service has a URL. The top-level domain `invalid` is
  # reserved, so nobody can own the name.
  audience = "https://${var.name}.${var.project_id}.invalid"

  # Cloud Run checks the token of each request and passes it on without its signature. The function
  # compares the claims, because Cloud Run also admits `callers`, which must not forge events:
  # https://cloud.google.com/run/docs/troubleshooting#signature-removed
  push_settings = {
    PUSH_AUDIENCE        = "cloud-run:${local.audience}"
    PUSH_SERVICE_ACCOUNT = local.emails.push
  }
}

# The account that the function runs as.
resource "google_service_account" "function" {
  account_id   = "fn-${var.name}"
  display_name = "bike-traffic ${var.name}"
  description  = "Runs the function ${var.name}"
}

resource "google_cloud_run_v2_service" "function" {
  name                 = var.name
  location             = var.region
  deletion_protection  = var.protected
  custom_audiences     = [local.audience]
  invoker_iam_disabled = false
  # Requests of Pub/Sub in the same project count as internal.
  ingress = length(var.callers) == 0 ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"

  # The default of Cloud Run, which returns it for every service. Without it, every plan removes it.
  # The limits of instances are those of the revision, below.
  scaling {
    min_instance_count = 0
  }

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

      # Not /readyz: it needs a champion, and the functions are deployed before the first training.
      # A function listens within a second, so the period is the delay of a cold start.
      startup_probe {
        period_seconds    = 1
        timeout_seconds   = 1
        failure_threshold = 120
        http_get {
          path = "/livez"
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
        for_each = merge(var.environment, local.push_settings)
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

  # This is the default of Cloud Run. It is explicit so that a deployment undoes a revision pinned
  # with gcloud.
  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  # Cloud Run checks access to the secrets when it creates a revision.
  depends_on = [google_secret_manager_secret_iam_member.reads, google_service_account_iam_member.deployer]
}

# The complete list of callers: the next apply removes grants that were added by hand.
resource "google_cloud_run_v2_service_iam_binding" "invokers" {
  name     = google_cloud_run_v2_service.function.name
  location = google_cloud_run_v2_service.function.location
  role     = "roles/run.invoker"
  members  = setunion([local.members.push], var.callers)
}
