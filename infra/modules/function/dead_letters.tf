# What the function gave up (hopeless, with the reason as an attribute), and what Pub/Sub gave up (too many attempts).
resource "google_pubsub_topic" "dead_letters" {
  name                       = "${var.name}-dead-letter"
  message_retention_duration = local.retention

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

# A topic keeps nothing for somebody who comes later; this subscription does, until the letters are put back or dropped.
resource "google_pubsub_subscription" "dead_letters" {
  name                       = "${var.name}-dead-letter"
  topic                      = google_pubsub_topic.dead_letters.name
  message_retention_duration = local.retention
  # As long as somebody needs to edit one: `bike-traffic replay --dead-letters --edit`.
  ack_deadline_seconds = 600

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "dead_letters_of_pubsub" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = var.pubsub_agent
}

# Pub/Sub acknowledges in the name of the subscription what it has passed on.
resource "google_pubsub_subscription_iam_member" "dead_letters_of_pubsub" {
  subscription = google_pubsub_subscription.push.name
  role         = "roles/pubsub.subscriber"
  member       = var.pubsub_agent
}

resource "google_pubsub_topic_iam_member" "dead_letters_of_function" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = local.members.function
}
