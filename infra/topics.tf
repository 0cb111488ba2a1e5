locals {
  # Seven days: subscriptions are set back to any instant of the last week. Pub/Sub's own limit is 31.
  retention = "604800s"

  topics = toset(flatten([for function in local.functions : concat([function.input], function.publishes)]))

  # As Pub/Sub and Cloud Scheduler name them; by way of the resource, so that they exist before they are used.
  topic_ids = { for name, topic in google_pubsub_topic.event : name => "projects/${var.project_id}/topics/${topic.name}" }

  # What the functions' events call themselves; a request without a day or week means the last one.
  schedules = {
    ingest = {
      description = "Every morning, for the day before"
      schedule    = "0 6 * * *"
      topic       = "ingest-requested"
    }
    drift-check = {
      description = "Monday mornings, for the week before"
      schedule    = "0 7 * * 1"
      topic       = "drift-check-requested"
    }
  }
}

resource "google_pubsub_topic" "event" {
  for_each = local.topics

  name                       = each.key
  message_retention_duration = local.retention

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

# Cloud Scheduler publishes as its own service agent, which Google grants what it needs.
resource "google_cloud_scheduler_job" "request" {
  for_each = local.schedules

  name        = each.key
  description = each.value.description
  region      = var.region
  schedule    = each.value.schedule
  time_zone   = "Europe/Paris"

  pubsub_target {
    topic_name = local.topic_ids[each.value.topic]
    data       = base64encode(jsonencode({ type = each.value.topic }))
  }

  retry_config {
    retry_count          = 5
    min_backoff_duration = "10s"
    max_backoff_duration = "600s"
  }
}
