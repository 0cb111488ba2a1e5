# Each alert has a section of the runbook in docs/deploy.md, under its own name.

locals {
  runbook = "What to do: docs/deploy.md, section"

  # Functions with the same limit share a condition: conditions cost money.
  overdue = { for name, function in local.functions : tostring(function.overdue_after_seconds) => name... }
  slow    = { for name, function in local.functions : tostring(function.slow_after_seconds) => name... }

  # Answers that are faults. 401 and 403: the push is not let in. 413: a message is too large. Another 4xx is the fault of
  # whoever calls POST /v1/predict.
  fault = "metric.labels.response_code=monitoring.regex.full_match(\"401|403|413|5[0-9][0-9]\")"
  # Until the city has published, which it does late at times, every delivery to ingest is put off with 503. That is no
  # fault, and counts for nothing.
  answers = {
    "ingest" = "${local.requests} AND resource.labels.service_name=\"ingest\" AND metric.labels.response_code!=\"503\""
    "others" = "${local.requests} AND resource.labels.service_name=one_of(${join(", ", [for name, quoted in local.quoted : quoted if name != "ingest"])})"
  }
  requests = "resource.type=\"cloud_run_revision\" AND metric.type=\"run.googleapis.com/request_count\""

  # As one_of() of Monitoring's filters takes them.
  quoted     = { for name in keys(local.functions) : name => "\"${name}\"" }
  all_quoted = join(", ", values(local.quoted))
}

resource "google_monitoring_notification_channel" "email" {
  display_name = "bike-traffic alerts (${var.environment})"
  type         = "email"
  labels       = { email_address = var.alert_email }
}

# Counts what the functions decide. The runtime logs one such line for every event.
resource "google_logging_metric" "decisions" {
  name        = "bike_traffic_decisions"
  description = "Events handled, by function and decision"
  filter      = "resource.type=\"cloud_run_revision\" AND jsonPayload.message=\"event handled\""

  label_extractors = {
    function = "EXTRACT(jsonPayload.function)"
    decision = "EXTRACT(jsonPayload.decision)"
  }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    labels {
      key         = "function"
      description = "Who decided"
    }
    labels {
      key         = "decision"
      description = "What, as in the audit log"
    }
  }
}

resource "google_monitoring_alert_policy" "dead_letters" {
  display_name          = "bike-traffic ${var.environment}: dead letters"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "a dead-letter subscription holds a letter"
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

  documentation {
    content = "${local.runbook} \"Dead letters\". Look: `bike-traffic status --cloud`."
  }
}

resource "google_monitoring_alert_policy" "no_ingest" {
  display_name          = "bike-traffic ${var.environment}: no ingest for 36 h"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "no day was ingested in 36 hours"
    # In PromQL, since other conditions look back 25 hours at most, and are silent about a count that was never there.
    condition_prometheus_query_language {
      query               = "absent_over_time(logging_googleapis_com:user_${google_logging_metric.decisions.name}{monitored_resource=\"cloud_run_revision\", function=\"ingest\", decision=\"ingested\"}[36h])"
      duration            = "600s"
      evaluation_interval = "300s"
      # Before the first event there is no such metric.
      disable_metric_validation = true
    }
  }

  documentation {
    content = "${local.runbook} \"No ingest for 36 hours\"."
  }
}

resource "google_monitoring_alert_policy" "major_drift" {
  display_name          = "bike-traffic ${var.environment}: major drift"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "the live error is more than 30 % above the champion's on the fixed test set"
    condition_matched_log {
      filter           = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"drift-check\" AND severity=ERROR AND jsonPayload.message=\"major drift: retrain the champion locally\""
      label_extractors = { week = "EXTRACT(jsonPayload.week)" }
    }
  }

  alert_strategy {
    auto_close = "604800s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "${local.runbook} \"Major drift\"."
  }
}

# An event that a dead process has left in the ledger is a message that nobody has acknowledged: the next delivery takes
# it over, or it becomes a dead letter. One that is older than all its attempts is therefore what the ledger, and
# `bike-traffic status`, call overdue. The ledger itself is objects, which Monitoring cannot read.
resource "google_monitoring_alert_policy" "ledger_overdue" {
  display_name          = "bike-traffic ${var.environment}: event overdue in the ledger"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  dynamic "conditions" {
    for_each = local.overdue
    content {
      display_name = "not acknowledged after ${conditions.key} s: ${join(", ", conditions.value)}"
      condition_threshold {
        filter          = "resource.type=\"pubsub_subscription\" AND metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.labels.subscription_id=one_of(${join(", ", [for name in conditions.value : local.quoted[name]])})"
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

  documentation {
    content = "${local.runbook} \"Event overdue in the ledger\". Look: `bike-traffic status --cloud`."
  }
}

resource "google_monitoring_alert_policy" "slow" {
  display_name          = "bike-traffic ${var.environment}: p95 latency"
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

  documentation {
    content = "${local.runbook} \"P95 latency\"."
  }
}

resource "google_monitoring_alert_policy" "errors" {
  display_name          = "bike-traffic ${var.environment}: error ratio"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  dynamic "conditions" {
    for_each = local.answers
    content {
      display_name = "more than half of the answers of six hours were faults: ${conditions.key}"
      condition_threshold {
        filter             = "${conditions.value} AND ${local.fault}"
        denominator_filter = conditions.value
        comparison         = "COMPARISON_GT"
        # One failure and one success is what a retry looks like. The window is long since events are rare.
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

  documentation {
    content = "${local.runbook} \"Error ratio\"."
  }
}
