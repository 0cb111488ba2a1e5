# Messages that failed permanently (the function publishes them, with the reason as an attribute),
# and messages that exceeded the delivery attempts (Pub/Sub publishes them).
resource "google_pubsub_topic" "dead_letters" {
  name                       = "${var.name}-dead-letter"
  message_retention_duration = local.retention

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

# A topic delivers nothing to later subscribers. This subscription stores dead letters until they
# are republished or discarded.
resource "google_pubsub_subscription" "dead_letters" {
  name                       = "${var.name}-dead-letter"
  topic                      = google_pubsub_topic.dead_letters.name
  message_retention_duration = local.retention
  # Leaves time to edit a dead letter: `bike-traffic replay --dead-letters --edit`.
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

# Pub/Sub acknowledges a forwarded dead letter on the push subscription.
resource "google_pubsub_subscription_iam_member" "dead_letters_of_pubsub" {
  count = length(var.input_topics)

  subscription = google_pubsub_subscription.push[count.index].name
  role         = "roles/pubsub.subscriber"
  member       = var.pubsub_agent
}

resource "google_pubsub_topic_iam_member" "dead_letters_of_function" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = local.members.function
}
