# Quality of the forecasts, from the log line "event handled": its reason has the values of each
# decision. infra/check.sh compares the patterns with the texts of the functions.

locals {
  # Each pattern has one group, the value. `label` splits a metric by a second pattern.
  qualities = {
    bias = {
      description = "Bias of the forecasts of a week, in percent of the counts"
      function    = "drift-check", decision = "", pattern = "[(]([0-9]+) % of the counts"
      label       = { direction = "an hour too (low|high)" }
    }
    counts = {
      description = "Counts of an ingested day"
      function    = "ingest", decision = "ingested", pattern = "^([0-9]+) counts of", label = {}
    }
    drifted_columns = {
      description = "Share of the columns that drifted in a week, in percent"
      function    = "drift-check", decision = "", pattern = "([0-9]+) % of the columns drifted", label = {}
    }
    forecasts = {
      description = "Forecasts of a day"
      function    = "predict", decision = "forecast", pattern = "^([0-9]+) forecasts of", label = {}
    }
    interval_coverage = {
      description = "Share of counts in the forecast intervals of four weeks, in percent; absent if it is as expected"
      function    = "drift-check", decision = "", pattern = "intervals contain ([0-9.]+) % of"
      label       = { interval = "the (80|95) % intervals contain" }
    }
    live_mae = {
      description = "MAE of the stored forecasts of a week"
      function    = "drift-check", decision = "", pattern = "live MAE ([0-9.]+) is", label = {}
    }
    seasonal_naive_mae = {
      description = "MAE of the seasonal naive forecast (same hour, one week earlier) of a week"
      function    = "drift-check", decision = "", pattern = "seasonal naive's MAE ([0-9.]+)", label = {}
    }
  }

  first_forecast = "resource.type=\"cloud_run_revision\" AND jsonPayload.message=\"first forecast of a day\" AND jsonPayload.forecast_lateness_hours<24"

  handled = "resource.type=\"cloud_run_revision\" AND jsonPayload.message=\"event handled\""
  # A metric of this file in a filter of Monitoring.
  quality = { for name, metric in google_logging_metric.quality : name => "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${metric.name}\"" }
  # Decisions in a PromQL query, up to the labels.
  decisions = "logging_googleapis_com:user_${google_logging_metric.decisions.name}{monitored_resource=\"cloud_run_revision\""

  # Alerts on the mean of a week or day. A ratio compares with the mean of another metric.
  quality_limits = {
    "the forecasts of a week are worse than the seasonal naive"                 = { metric = "live_mae", ratio_to = "seasonal_naive_mae", comparison = "COMPARISON_GT", threshold = 1 }
    "the forecasts of a week are too high or too low by 20 % of the counts"     = { metric = "bias", ratio_to = null, comparison = "COMPARISON_GT", threshold = 20 }
    "the forecast intervals of four weeks contain less than 70 % of the counts" = { metric = "interval_coverage", ratio_to = null, comparison = "COMPARISON_LT", threshold = 70 }
    "more than 90 % of the columns drifted in a week"                           = { metric = "drifted_columns", ratio_to = null, comparison = "COMPARISON_GT", threshold = 90 }
  }
}

resource "google_logging_metric" "quality" {
  for_each = local.qualities

  name        = "bike_traffic_${each.key}"
  description = each.value.description
  filter = join(" AND ", concat(
    [local.handled, "jsonPayload.function=\"${each.value.function}\""],
    [for decision in compact([each.value.decision]) : "jsonPayload.decision=\"${decision}\""],
  ))
  value_extractor  = "REGEXP_EXTRACT(jsonPayload.reason, \"${each.value.pattern}\")"
  label_extractors = { for label, pattern in each.value.label : label => "REGEXP_EXTRACT(jsonPayload.reason, \"${pattern}\")" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"

    dynamic "labels" {
      for_each = each.value.label
      content {
        key         = labels.key
        description = "As in the reason of the decision"
      }
    }
  }

  # Required of a distribution. Charts and alerts use its mean, which the buckets do not round.
  bucket_options {
    exponential_buckets {
      num_finite_buckets = 64
      growth_factor      = 1.4
      scale              = 0.1
    }
  }
}

# Weeks that were judged with missing days, which happens from Wednesday on only.
resource "google_logging_metric" "late_weeks" {
  name        = "bike_traffic_late_weeks"
  description = "Weeks judged from Wednesday on, with missing days"
  filter      = "${local.handled} AND jsonPayload.function=\"drift-check\" AND jsonPayload.reason=~\"[0-6] of 7 days\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

# The first forecasts of days, each with its lateness in hours after 8 o'clock in Paris. A day that is
# forecast a day late or later is missing in `forecast_each_day`, or part of a backfill.
resource "google_logging_metric" "first_forecasts" {
  name        = "bike_traffic_first_forecasts"
  description = "Days with a forecast, counted once"
  filter      = local.first_forecast

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_logging_metric" "late_forecasts" {
  name        = "bike_traffic_late_forecasts"
  description = "Days without a forecast by 8 o'clock in Paris"
  filter      = "${local.first_forecast} AND jsonPayload.forecast_lateness_hours>0"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_monitoring_alert_policy" "quality" {
  display_name          = "${local.title}: quality of the forecasts"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [google_monitoring_notification_channel.email.name]

  dynamic "conditions" {
    for_each = local.quality_limits
    content {
      display_name = conditions.key
      condition_threshold {
        filter             = local.quality[conditions.value.metric]
        denominator_filter = conditions.value.ratio_to == null ? null : local.quality[conditions.value.ratio_to]
        comparison         = conditions.value.comparison
        threshold_value    = conditions.value.threshold
        duration           = "0s"
        aggregations {
          alignment_period     = "86400s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_MEAN"
        }
        dynamic "denominator_aggregations" {
          for_each = conditions.value.ratio_to[*]
          content {
            alignment_period     = "86400s"
            per_series_aligner   = "ALIGN_DELTA"
            cross_series_reducer = "REDUCE_MEAN"
          }
        }
      }
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"Quality of the forecasts\".${local.page}"
  }
}

# Alerts that compare with earlier times or look back more than a day, which only PromQL can:
# https://cloud.google.com/monitoring/alerts/using-promql. A policy has one such condition at most.
locals {
  expectations = {
    drift_without_promotion = {
      title    = "drift in three of four weeks without a promotion"
      section  = "Quality of the forecasts"
      severity = "WARNING"
      query    = "sum(increase(${local.decisions}, function=\"drift-check\", decision!=\"no-drift\"}[28d])) > 2.5 unless on() sum(increase(${local.decisions}, function=\"promote\", decision=\"promoted\"}[28d])) > 0"
      interval = "3600s"
    }
    few_counts = {
      title    = "half as many counts as a week earlier"
      section  = "Quality of the forecasts"
      severity = "WARNING"
      query    = "sum(increase(${local.counts_sum}[1d])) < 0.5 * sum(increase(${local.counts_sum}[1d] offset 7d))"
      interval = "3600s"
    }
    late_forecast = {
      # From 7:00 to 7:59 UTC: 8 o'clock in Paris in winter, 9 o'clock in summer.
      title    = "no forecast by 8 o'clock"
      section  = "No forecast by 8 o'clock"
      severity = "ERROR"
      query    = "absent_over_time(${local.decisions}, function=\"predict\", decision=\"forecast\"}[7h]) and on() (hour() == 7)"
      interval = "300s"
    }
    # Not in the first two weeks, in which one day would be too many.
    missed_days = {
      title    = "too many late forecasts in four weeks"
      section  = "Missed objective"
      severity = "WARNING"
      query    = "sum(increase(${local.late_forecasts}[28d])) > (1 - ${local.goals.forecast_by_8}) * sum(increase(${local.first_forecasts}[28d])) and on() sum(increase(${local.first_forecasts}[28d])) > 13.5"
      interval = "3600s"
    }
    missed_weeks = {
      title    = "too many late weeks in four"
      section  = "Missed objective"
      severity = "WARNING"
      query    = "sum(increase(${local.late_weeks}[28d])) > (1 - ${local.goals.week_by_tuesday}) * sum(increase(${local.decisions}, function=\"drift-check\"}[28d])) and on() sum(increase(${local.decisions}, function=\"drift-check\"}[28d])) > 2.5"
      interval = "3600s"
    }
    no_drift_check = {
      # Not in the first week of a deployment: a day was ingested 8 days ago.
      title    = "no drift check for 8 days"
      section  = "No drift check for 8 days"
      severity = "ERROR"
      query    = "absent_over_time(${local.decisions}, function=\"drift-check\"}[8d]) and on() (count(last_over_time(${local.decisions}, function=\"ingest\"}[1d] offset 8d)) > 0)"
      interval = "3600s"
    }
  }

  # Shares of the days or weeks in four weeks.
  goals = { forecast_by_8 = 0.9, forecast_each_day = 0.95, week_by_tuesday = 0.75 }

  first_forecasts = "logging_googleapis_com:user_${google_logging_metric.first_forecasts.name}{monitored_resource=\"cloud_run_revision\"}"
  late_forecasts  = "logging_googleapis_com:user_${google_logging_metric.late_forecasts.name}{monitored_resource=\"cloud_run_revision\"}"
  late_weeks      = "logging_googleapis_com:user_${google_logging_metric.late_weeks.name}{monitored_resource=\"cloud_run_revision\"}"

  counts_sum = "logging_googleapis_com:user_${google_logging_metric.quality["counts"].name}_sum{monitored_resource=\"cloud_run_revision\"}"
}

resource "google_monitoring_alert_policy" "expectation" {
  for_each = local.expectations

  display_name          = "${local.title}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = each.value.title
    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "0s"
      evaluation_interval = each.value.interval
      # The metrics do not exist before the first event.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"${each.value.section}\".${local.page}"
  }
}

# Objectives of four weeks, on the page "SLOs" of Monitoring.
resource "google_monitoring_custom_service" "forecasts" {
  service_id   = "bike-traffic"
  display_name = "bike-traffic ${var.environment}"
}

# Days without any forecast. Days with a late one count in forecast_by_8.
resource "google_monitoring_slo" "forecast_each_day" {
  service             = google_monitoring_custom_service.forecasts.service_id
  slo_id              = "forecast-each-day"
  display_name        = "A forecast on each day"
  goal                = local.goals.forecast_each_day
  rolling_period_days = 28

  windows_based_sli {
    window_period = "86400s"
    metric_sum_in_range {
      time_series = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.decisions.name}\" AND metric.labels.function=\"predict\" AND metric.labels.decision=\"forecast\""
      range {
        min = 1
      }
    }
  }
}

# Monitoring cannot tell the time of day of an event, so the function reports its lateness. The city
# itself is late on some days.
resource "google_monitoring_slo" "forecast_by_8" {
  service             = google_monitoring_custom_service.forecasts.service_id
  slo_id              = "forecast-by-8"
  display_name        = "The forecast of a day by 8 o'clock"
  goal                = local.goals.forecast_by_8
  rolling_period_days = 28

  request_based_sli {
    good_total_ratio {
      bad_service_filter   = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.late_forecasts.name}\""
      total_service_filter = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.first_forecasts.name}\""
    }
  }
}

# A week is judged on Monday or Tuesday if its days have counts, and without them from Wednesday on.
resource "google_monitoring_slo" "week_by_tuesday" {
  service             = google_monitoring_custom_service.forecasts.service_id
  slo_id              = "week-by-tuesday"
  display_name        = "The week decided by Tuesday"
  goal                = local.goals.week_by_tuesday
  rolling_period_days = 28

  request_based_sli {
    good_total_ratio {
      bad_service_filter   = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.late_weeks.name}\""
      total_service_filter = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.decisions.name}\" AND metric.labels.function=\"drift-check\""
    }
  }
}
