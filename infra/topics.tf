locals {
  # Seven days, because a subscription may be sought to any instant of the last week. Pub/Sub allows
  # up to 31 days.
  retention = "604800s"

  topics = toset(flatten([for function in local.functions : concat(function.inputs, function.publishes)]))

  # Full topic names for Pub/Sub and Cloud Scheduler. They refer to the resource, so terraform
  # creates each topic before its first use.
  topic_ids = { for name, topic in google_pubsub_topic.event : name => "projects/${var.project_id}/topics/${topic.name}" }

  # The message data is the event type. A request without a day or week means the last one.
  schedules = {
    ingest = {
      description = "Every morning: ingest the previous day"
      schedule    = "0 6 * * *"
      topic       = "ingest-requested"
    }
    drift-check = {
      # A week is judged once its days have counts, from Wednesday on even without them. Repeated
      # requests for a week have the same event id, so a judged week is not judged again.
      description = "Monday, Tuesday and Wednesday morning: check the previous week for drift"
      schedule    = "0 7 * * 1-3"
      topic       = "drift-check-requested"
    }
  }

  # Each seasonal adaptation is a job of its own, named by its schedule.
  adaptations = { for schedule, reason in var.seasonal_adaptations : "fine-tune-${substr(sha256(schedule), 0, 8)}" => {
    schedule = schedule
    reason   = reason
  } }
}

resource "google_pubsub_topic" "event" {
  for_each = local.topics

  name                       = each.key
  message_retention_duration = local.retention

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

# Cloud Scheduler publishes as its own service agent, which Google grants the required role.
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

# Requests of fine-tuning without drift. A request has no time of its own, so the function handles
# each publication once.
resource "google_cloud_scheduler_job" "adaptation" {
  for_each = local.adaptations

  name        = each.key
  description = each.value.reason
  region      = var.region
  schedule    = each.value.schedule
  time_zone   = "Europe/Paris"

  pubsub_target {
    topic_name = local.topic_ids["fine-tune-requested"]
    data       = base64encode(jsonencode({ type = "fine-tune-requested", reason = each.value.reason }))
  }

  retry_config {
    retry_count          = 5
    min_backoff_duration = "10s"
    max_backoff_duration = "600s"
  }
}
