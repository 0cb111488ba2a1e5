# Each alert has a section of its own in the runbook, docs/deploy.md.

locals {
  title   = "bike-traffic ${var.environment}"
  runbook = "What to do: docs/deploy.md, section"
  # The functions write the page after each forecast, judgement, decision and dead letter.
  # `bike-traffic report --cloud` writes it again.
  page = "\n\nThe on-call page, with the commands filled in: https://storage.cloud.google.com/${google_storage_bucket.artifacts.name}/reports/index.html. Make it again with `bike-traffic report --cloud`."

  # Functions with equal limits share one condition, because Google bills alerting by condition.
  overdue = { for name, function in local.functions : tostring(function.overdue_after_seconds) => name... }
  slow    = { for name, function in local.functions : tostring(function.slow_after_seconds) => name... }

  # Monitoring closes an incident by itself if its metric has no more data, after a week unless told
  # otherwise. An open incident does not notify again, and metrics of rare events have no data for
  # most of the time.
  auto_close = "21600s"

  # Status codes that count as errors. 413: a message exceeds the request body limit. Other 4xx codes
  # are errors of the callers of POST /v1/predict. Requests that Cloud Run itself rejects, with 401 or
  # 403, are not in its metric; the alert refused_pushes counts them.
  error_codes = "metric.labels.response_code=monitoring.regex.full_match(\"413|5[0-9][0-9]\")"
  # Deliveries to ingest fail with 503 until the city has published the day, which is sometimes
  # late, and those to drift-check until the week has its days. These responses are expected, so the
  # error ratio of both functions ignores them.
  waiting = toset(["drift-check", "ingest"])
  responses = {
    "drift-check, ingest" = "${local.requests} AND resource.labels.service_name=one_of(${join(", ", [for name, quoted in local.quoted : quoted if contains(local.waiting, name)])}) AND metric.labels.response_code!=\"503\""
    "others"              = "${local.requests} AND resource.labels.service_name=one_of(${join(", ", [for name, quoted in local.quoted : quoted if !contains(local.waiting, name)])})"
  }
  requests = "resource.type=\"cloud_run_revision\" AND metric.type=\"run.googleapis.com/request_count\""

  # Function names in quotes, as one_of() in a Monitoring filter expects them.
  quoted     = { for name in keys(local.functions) : name => "\"${name}\"" }
  all_quoted = join(", ", values(local.quoted))

  all_subscriptions = join(", ", [for subscription in flatten(values(local.subscriptions)) : "\"${subscription}\""])

  # Every policy, for the tests.
  alert_policies = concat(values(google_monitoring_alert_policy.expectation), [
    google_monitoring_alert_policy.database,
    google_monitoring_alert_policy.dead_letters,
    google_monitoring_alert_policy.errors,
    google_monitoring_alert_policy.ledger_overdue,
    google_monitoring_alert_policy.major_drift,
    google_monitoring_alert_policy.mlflow_errors,
    google_monitoring_alert_policy.mlflow_start,
    google_monitoring_alert_policy.no_ingest,
    google_monitoring_alert_policy.quality,
    google_monitoring_alert_policy.refused_pushes,
    google_monitoring_alert_policy.slow,
  ])
}

resource "google_monitoring_notification_channel" "email" {
  display_name = "bike-traffic alerts (${var.environment})"
  type         = "email"
  labels       = { email_address = var.alert_email }
}

# Counts the decisions of the functions. The runtime logs one line "event handled" for each event.
resource "google_logging_metric" "decisions" {
  name        = "bike_traffic_decisions"
  description = "Events handled, by function and decision"
  filter      = local.handled

  label_extractors = {
    function = "EXTRACT(jsonPayload.function)"
    decision = "EXTRACT(jsonPayload.decision)"
  }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    labels {
      key         = "function"
      description = "The function that made the decision"
    }
    labels {
      key         = "decision"
      description = "The decision, as recorded in the audit log"
    }
  }
}

resource "google_monitoring_alert_policy" "dead_letters" {
  display_name          = "${local.title}: dead letters"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "a dead-letter subscription is not empty"
    condition_threshold {
      filter          = "resource.type=\"pubsub_subscription\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.labels.subscription_id=ends_with(\"-dead-letter\")"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"Dead letters\". To list the dead letters: `bike-traffic status --cloud`.${local.page}"
  }
}

resource "google_monitoring_alert_policy" "no_ingest" {
  display_name          = "${local.title}: no ingest for 36 h"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "no day has been ingested for 36 hours"
    # PromQL, because threshold conditions look back 25 hours at most and do not fire for a metric
    # that has no data.
    condition_prometheus_query_language {
      query               = "absent_over_time(logging_googleapis_com:user_${google_logging_metric.decisions.name}{monitored_resource=\"cloud_run_revision\", function=\"ingest\", decision=\"ingested\"}[36h])"
      duration            = "600s"
      evaluation_interval = "300s"
      # The metric does not exist before the first event.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"No ingest for 36 hours\".${local.page}"
  }
}

resource "google_monitoring_alert_policy" "major_drift" {
  display_name          = "${local.title}: major drift"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "the live error exceeds the champion's error on the fixed test set by more than 30 %"
    condition_matched_log {
      filter           = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"drift-check\" AND severity=ERROR AND jsonPayload.message=\"major drift: retrain the champion locally\""
      label_extractors = { week = "EXTRACT(jsonPayload.week)" }
    }
  }

  alert_strategy {
    auto_close = local.auto_close
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "${local.runbook} \"Major drift\".${local.page}"
  }
}

# A ledger entry of a dead process belongs to a message that nobody has acknowledged. The next
# delivery takes over the entry, or the message becomes a dead letter. `bike-traffic status` calls
# an entry overdue once it is older than all delivery attempts. Monitoring cannot read the objects
# of the ledger, so this alert watches the age of the message instead.
resource "google_monitoring_alert_policy" "ledger_overdue" {
  display_name          = "${local.title}: event overdue in the ledger"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  dynamic "conditions" {
    for_each = local.overdue
    content {
      display_name = "not acknowledged after ${conditions.key} s: ${join(", ", conditions.value)}"
      condition_threshold {
        filter          = "resource.type=\"pubsub_subscription\" AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.labels.subscription_id=one_of(${join(", ", flatten([for name in conditions.value : [for subscription in local.subscriptions[name] : "\"${subscription}\""]]))})"
        comparison      = "COMPARISON_GT"
        threshold_value = tonumber(conditions.key)
        duration        = "600s"
        aggregations {
          alignment_period   = "300s"
          per_series_aligner = "ALIGN_MAX"
        }
      }
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"Event overdue in the ledger\". To list overdue events: `bike-traffic status --cloud`.${local.page}"
  }
}

resource "google_monitoring_alert_policy" "slow" {
  display_name          = "${local.title}: p95 latency"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [google_monitoring_notification_channel.email.name]

  dynamic "conditions" {
    for_each = local.slow
    content {
      display_name = "95th percentile above ${conditions.key} s: ${join(", ", conditions.value)}"
      condition_threshold {
        filter          = "resource.type=\"cloud_run_revision\" AND metric.type=\"run.googleapis.com/request_latencies\" AND resource.labels.service_name=one_of(${join(", ", [for name in conditions.value : local.quoted[name]])})"
        comparison      = "COMPARISON_GT"
        threshold_value = tonumber(conditions.key) * 1000 # ms
        duration        = "0s"
        aggregations {
          alignment_period     = "3600s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_PERCENTILE_95"
          group_by_fields      = ["resource.labels.service_name"]
        }
      }
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"P95 latency\".${local.page}"
  }
}

resource "google_monitoring_alert_policy" "errors" {
  display_name          = "${local.title}: error ratio"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  dynamic "conditions" {
    for_each = local.responses
    content {
      display_name = "more than half of the responses in six hours were errors: ${conditions.key}"
      condition_threshold {
        filter             = "${conditions.value} AND ${local.error_codes}"
        denominator_filter = conditions.value
        comparison         = "COMPARISON_GT"
        # One failure followed by a success is an ordinary retry. The window is long because events
        # are rare.
        threshold_value = 0.5
        duration        = "0s"
        aggregations {
          alignment_period     = "21600s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
          group_by_fields      = ["resource.labels.service_name"]
        }
        denominator_aggregations {
          alignment_period     = "21600s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
          group_by_fields      = ["resource.labels.service_name"]
        }
      }
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"Error ratio\".${local.page}"
  }
}

# Pushes that do not reach a function: the token is rejected, the service is closed to the sender or
# absent. Cloud Run's own metric leaves such requests out, so this alert reads Pub/Sub's.
resource "google_monitoring_alert_policy" "refused_pushes" {
  display_name          = "${local.title}: refused pushes"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "five pushes of a subscription in an hour were refused"
    condition_threshold {
      filter     = "resource.type=\"pubsub_subscription\" AND metric.type=\"pubsub.googleapis.com/subscription/push_request_count\" AND resource.labels.subscription_id=one_of(${local.all_subscriptions}) AND metric.labels.response_class=one_of(\"invalid\", \"remote_server_4xx\", \"unreachable\")"
      comparison = "COMPARISON_GT"
      # A refused message makes six attempts in 20 minutes. Fewer may be a lack of instances (429).
      threshold_value = 4
      duration        = "0s"
      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.labels.subscription_id"]
      }
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"Refused pushes\".${local.page}"
  }
}
