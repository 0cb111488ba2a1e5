locals {
  # Equal to the topics' retention: acknowledged messages can be delivered again for a week.
  retention = "604800s"
}

# The account of Pub/Sub's push requests. It may call this service and nothing else.
resource "google_service_account" "push" {
  account_id   = "push-${var.name}"
  display_name = "bike-traffic push to ${var.name}"
  description  = "Authenticates Pub/Sub at the function ${var.name}"
}

# Pub/Sub creates the tokens of that account.
resource "google_service_account_iam_member" "push_tokens" {
  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails.push}"
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = var.pubsub_agent
}

# One subscription for each input topic. The first one has the name of the function, and the others
# that of their topic.
resource "google_pubsub_subscription" "push" {
  count = length(var.input_topics)

  name                       = count.index == 0 ? var.name : basename(var.input_topics[count.index])
  topic                      = var.input_topics[count.index]
  ack_deadline_seconds       = 600
  message_retention_duration = local.retention
  retain_acked_messages      = true

  push_config {
    push_endpoint = "${google_cloud_run_v2_service.function.uri}/"

    oidc_token {
      service_account_email = local.emails.push
      audience              = local.audience
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = "projects/${var.project_id}/topics/${google_pubsub_topic.dead_letters.name}"
    max_delivery_attempts = var.resources.maximum_attempts
  }

  # Never expires: a chain that detects drift twice a year must not lose its subscriptions after a
  # month without messages.
  expiration_policy {
    ttl = ""
  }

  # Without these grants the first pushes are rejected, and Pub/Sub cannot forward dead letters.
  depends_on = [
    google_cloud_run_v2_service_iam_binding.invokers,
    google_pubsub_topic_iam_member.dead_letters_of_pubsub,
    google_service_account_iam_member.deployer,
    google_service_account_iam_member.push_tokens,
  ]
}
