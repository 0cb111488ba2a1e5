# Alerts and the dashboard.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  environment = "prod"
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
}

run "alerts_cover_every_function_and_reach_the_address" {
  # An apply, because the name of the channel is unknown at plan time.
  assert {
    condition     = alltrue([for policy in local.alert_policies : toset(policy.notification_channels) == toset([google_monitoring_notification_channel.email.name]) && length(policy.conditions) <= 6])
    error_message = "Every alert must notify the channel and have at most six conditions, the limit of Monitoring."
  }
  assert {
    condition     = google_monitoring_notification_channel.email.labels.email_address == "on-call@example.com"
    error_message = "Alerts must go to the address in alert_email."
  }
  assert {
    condition     = alltrue([for policy in local.alert_policies : strcontains(policy.documentation[0].content, "https://storage.cloud.google.com/a-project-bike-traffic/reports/index.html")])
    error_message = "Every alert must link the on-call page."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.no_ingest.conditions[0].condition_prometheus_query_language[0].query, "[36h]")
    error_message = "The alert on missing ingests must look back 36 hours."
  }
  assert {
    condition = alltrue([for name, function in local.functions :
      sum([for condition in google_monitoring_alert_policy.ledger_overdue.conditions : length(regexall("\"${name}\"", condition.condition_threshold[0].filter))]) == 1 &&
      sum([for condition in google_monitoring_alert_policy.slow.conditions : length(regexall("\"${name}\"", condition.condition_threshold[0].filter))]) == 1
    ])
    error_message = "Every function must be in one condition on overdue events and in one on latency."
  }
  assert {
    # The backoff doubles from 10 s to 600 s, and each attempt takes up to the timeout.
    condition = alltrue([for function in local.functions : function.overdue_after_seconds >
    sum([for attempt in range(function.maximum_attempts - 1) : min(600, 10 * pow(2, min(attempt, 6)))])])
    error_message = "overdue_after_seconds must exceed the total backoff of all attempts."
  }
}

run "error_ratio_counts_the_right_status_codes" {
  command = plan

  assert {
    condition = alltrue([for name in keys(local.functions) :
      sum([for condition in google_monitoring_alert_policy.errors.conditions : length(regexall("\"${name}\"", condition.condition_threshold[0].filter))]) == 1
    ])
    error_message = "Every function must be in exactly one condition on the error ratio."
  }
  assert {
    condition = alltrue([for condition in google_monitoring_alert_policy.errors.conditions :
      [for code in ["200", "204", "400", "401", "403", "404", "413", "500", "502", "503", "504"] : code
      if can(regex("^(?:${one(regex("response_code=monitoring.regex.full_match\\(\"(.*)\"\\)", condition.condition_threshold[0].filter))})$", code))] ==
      ["413", "500", "502", "503", "504"]
    ])
    error_message = "Oversized messages and server errors must count as errors. Cloud Run does not count rejected requests, 401 and 403."
  }
  assert {
    condition = alltrue([for condition in google_monitoring_alert_policy.errors.conditions :
      startswith(condition.condition_threshold[0].filter, "${condition.condition_threshold[0].denominator_filter} AND ") &&
      strcontains(condition.condition_threshold[0].denominator_filter, "response_code!=\"503\"") == strcontains(condition.condition_threshold[0].filter, "\"ingest\"")
    ])
    error_message = "The denominator must be all responses, for drift-check and ingest without the 503 of missing days."
  }
}

run "configuration" {
  module {
    source = "./tests/text"
  }
}

run "descriptors" {
  module {
    source = "./tests/descriptors"
  }
}

run "every_alert_policy_is_tested" {
  command = plan

  assert {
    # The policy `expectation` has one instance for each element.
    condition     = length(local.alert_policies) == length(regexall("resource \"google_monitoring_alert_policy\"", run.configuration.text)) - 1 + length(local.expectations)
    error_message = "local.alert_policies must have every alert policy."
  }
}

run "policies_with_a_query_or_a_log_filter_have_one_condition" {
  command = plan

  assert {
    # The limit of Monitoring.
    condition = alltrue([for policy in local.alert_policies : length(policy.conditions) == 1 if anytrue([for condition in policy.conditions :
    length(condition.condition_prometheus_query_language) + length(condition.condition_matched_log) > 0])])
    error_message = "A policy with a PromQL query or a log filter must have one condition."
  }
}

run "incidents_close_after_six_hours_without_data" {
  command = plan

  assert {
    condition     = alltrue([for policy in local.alert_policies : [for strategy in policy.alert_strategy : strategy.auto_close] == ["21600s"]])
    error_message = "An incident must close after six hours without data, because an open one does not notify again."
  }
  assert {
    # Otherwise Monitoring may send a message for each log entry.
    condition = alltrue([for policy in local.alert_policies : length(policy.alert_strategy[0].notification_rate_limit) == 1
    if anytrue([for condition in policy.conditions : length(condition.condition_matched_log) > 0])])
    error_message = "An alert on a log entry must limit the rate of its messages."
  }
}

run "alerts_agree_with_the_descriptors_of_the_metrics" {
  assert {
    condition = alltrue(flatten([for policy in local.alert_policies : [for condition in policy.conditions : [for threshold in condition.condition_threshold :
      [for metric in regexall("metric\\.type=\"([^\"]+)\"", threshold.filter) : startswith(metric[0], "logging.googleapis.com/user/bike_traffic_") ||
    try(run.descriptors.metrics[metric[0]].resource, "") == regex("resource\\.type=\"([^\"]+)\"", threshold.filter)[0]]]]]))
    error_message = "A filter must name a metric of tests/descriptors/metrics.json, and its resource."
  }
  assert {
    condition = alltrue(flatten([for policy in local.alert_policies : [for condition in policy.conditions : [for threshold in condition.condition_threshold :
      [for label in regexall("metric\\.labels\\.(\\w+)", threshold.filter) :
    contains(keys(run.descriptors.metrics[regex("metric\\.type=\"([^\"]+)\"", threshold.filter)[0]].labels), label[0])]]]]))
    error_message = "A filter must use labels that the metric has."
  }
  assert {
    # ALIGN_DELTA needs a delta, and a gauge has no sum over time.
    condition = alltrue(flatten([for policy in local.alert_policies : [for condition in policy.conditions : [for threshold in condition.condition_threshold :
      contains(["GAUGE"], try(run.descriptors.metrics[regex("metric\\.type=\"([^\"]+)\"", threshold.filter)[0]].kind, "DELTA")) ==
    contains(["ALIGN_MAX", "ALIGN_MEAN", "ALIGN_MIN"], threshold.aggregations[0].per_series_aligner)]]]))
    error_message = "The aligner must suit the kind of the metric."
  }
  assert {
    # A distribution is compared by a percentile or its mean.
    condition = alltrue(flatten([for policy in local.alert_policies : [for condition in policy.conditions : [for threshold in condition.condition_threshold :
      can(regex("REDUCE_(MEAN|PERCENTILE)", threshold.aggregations[0].cross_series_reducer)) == (startswith(regex("metric\\.type=\"([^\"]+)\"", threshold.filter)[0], "logging.googleapis.com/user/bike_traffic_") ||
    try(run.descriptors.metrics[regex("metric\\.type=\"([^\"]+)\"", threshold.filter)[0]].type, "") == "DISTRIBUTION")]]]))
    error_message = "A threshold must compare a number."
  }
  assert {
    condition     = alltrue([for metric in google_logging_metric.quality : metric.metric_descriptor[0].value_type == "DISTRIBUTION" && length(metric.bucket_options) == 1])
    error_message = "A metric with an extracted value must be a distribution with buckets."
  }
}

run "error_ratio_uses_codes_that_occur" {
  command = plan

  assert {
    condition = alltrue([for condition in google_monitoring_alert_policy.errors.conditions :
      [for code in run.descriptors.metrics["run.googleapis.com/request_count"].labels.response_code.absent : code
    if can(regex("^(?:${one(regex("response_code=monitoring.regex.full_match\\(\"(.*)\"\\)", condition.condition_threshold[0].filter))})$", code))] == []])
    error_message = "The metric of Cloud Run leaves rejected requests out, so an alert on their codes never fires."
  }
}

run "refused_pushes_are_counted_at_pubsub" {
  command = plan

  assert {
    # Every class except success, and those that Cloud Run counts or a slow function causes.
    condition = (
      [for class in run.descriptors.metrics["pubsub.googleapis.com/subscription/push_request_count"].labels.response_class.values : class
      if strcontains(google_monitoring_alert_policy.refused_pushes.conditions[0].condition_threshold[0].filter, "\"${class}\"")] ==
      ["invalid", "remote_server_4xx", "unreachable"]
    )
    error_message = "The alert must count the response classes of refused pushes."
  }
  assert {
    condition = alltrue([for subscription in flatten(values(local.subscriptions)) :
    strcontains(google_monitoring_alert_policy.refused_pushes.conditions[0].condition_threshold[0].filter, "\"${subscription}\"")])
    error_message = "The alert must cover every push subscription."
  }
  assert {
    # The backoff doubles from 10 s, so one refused message makes six attempts within an hour.
    condition = length([for attempt in range(20) : attempt if sum(concat([0], [for earlier in range(attempt) : min(600, 10 * pow(2, earlier))])) < 3600]) > (
    google_monitoring_alert_policy.refused_pushes.conditions[0].condition_threshold[0].threshold_value)
    error_message = "One refused message must be enough."
  }
}

run "mlflow_and_its_database_are_watched" {
  # An apply, because the filter has the name of the instance.
  assert {
    condition = (
      strcontains(google_monitoring_alert_policy.mlflow_errors.conditions[0].condition_threshold[0].filter, "response_code_class=\"5xx\"") &&
      strcontains(google_monitoring_alert_policy.mlflow_start.conditions[0].condition_matched_log[0].filter, "log_id(\"run.googleapis.com/varlog/system\")")
    )
    error_message = "Server errors of MLflow and failed starts must alert."
  }
  assert {
    condition     = alltrue([for condition in google_monitoring_alert_policy.database.conditions : strcontains(condition.condition_threshold[0].filter, "database_id=\"a-project:mlflow\"")]) && length(google_monitoring_alert_policy.database.conditions) == 2
    error_message = "The disk and the life of the database must alert."
  }
}

run "missing_decisions_alert" {
  # An apply, because the query has the name of a metric.
  assert {
    condition     = strcontains(google_monitoring_alert_policy.expectation["no_drift_check"].conditions[0].condition_prometheus_query_language[0].query, "function=\"drift-check\"}[8d]")
    error_message = "The alert on a missing drift check must look back 8 days."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.expectation["late_forecast"].conditions[0].condition_prometheus_query_language[0].query, "hour() == 7")
    error_message = "The alert on a missing forecast must fire at 8 o'clock in Paris, 7 o'clock UTC."
  }
  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.expectation : policy.conditions[0].condition_prometheus_query_language[0].disable_metric_validation])
    error_message = "The metrics do not exist before the first event, so Monitoring must not require them."
  }
}

run "quality_is_charted_and_alerts" {
  # An apply, because a filter has the name of a metric.
  assert {
    condition = alltrue([for metric in google_logging_metric.quality :
    strcontains(google_monitoring_dashboard.overview.dashboard_json, "user/${metric.name}")])
    error_message = "The dashboard must have every metric of the quality."
  }
  assert {
    condition = alltrue([for name in ["bias", "drifted_columns", "interval_coverage", "live_mae"] :
    anytrue([for condition in google_monitoring_alert_policy.quality.conditions : strcontains(condition.condition_threshold[0].filter, "user/bike_traffic_${name}\"")])])
    error_message = "Error, bias, coverage of the intervals and drift must alert."
  }
  assert {
    condition = anytrue([for condition in google_monitoring_alert_policy.quality.conditions :
    strcontains(condition.condition_threshold[0].filter, "user/bike_traffic_live_mae\"") && strcontains(coalesce(condition.condition_threshold[0].denominator_filter, "none"), "user/bike_traffic_seasonal_naive_mae\"")])
    error_message = "The error must be compared with that of the seasonal naive."
  }
}

run "objectives_cover_the_forecast_and_the_week" {
  # An apply, because a filter has the name of a metric.
  assert {
    condition     = google_monitoring_slo.forecast_each_day.windows_based_sli[0].window_period == "86400s" && google_monitoring_slo.forecast_each_day.windows_based_sli[0].metric_sum_in_range[0].range[0].min == 1
    error_message = "Each day must have a forecast."
  }
  assert {
    condition = (
      strcontains(google_monitoring_slo.forecast_by_8.request_based_sli[0].good_total_ratio[0].bad_service_filter, "user/bike_traffic_late_forecasts\"") &&
      strcontains(google_monitoring_slo.forecast_by_8.request_based_sli[0].good_total_ratio[0].total_service_filter, "user/bike_traffic_first_forecasts\"")
    )
    error_message = "The late days must be counted among the days with a forecast."
  }
  assert {
    # A forecast at 8 o'clock sharp is in time, and every late day is also counted as a day.
    condition     = google_logging_metric.late_forecasts.filter == "${google_logging_metric.first_forecasts.filter} AND jsonPayload.forecast_lateness_hours>0"
    error_message = "A day must be late if its first forecast is made after 8 o'clock."
  }
  assert {
    condition     = endswith(google_logging_metric.first_forecasts.filter, " AND jsonPayload.forecast_lateness_hours<24")
    error_message = "A backfill must not count as late."
  }
  assert {
    condition     = strcontains(google_monitoring_slo.week_by_tuesday.request_based_sli[0].good_total_ratio[0].bad_service_filter, "user/bike_traffic_late_weeks\"")
    error_message = "A week that is judged with missing days must count as late."
  }
  assert {
    # The period must be at most 30 days, and a window an integer fraction of a day.
    condition     = alltrue([for slo in [google_monitoring_slo.forecast_by_8, google_monitoring_slo.forecast_each_day, google_monitoring_slo.week_by_tuesday] : slo.rolling_period_days <= 30])
    error_message = "The period must be within the limit of Monitoring."
  }
}

run "alerts_name_a_section_of_the_runbook" {
  command = plan

  assert {
    condition     = alltrue([for policy in local.alert_policies : length(regexall("section \"[^\"]+\"", policy.documentation[0].content)) == 1])
    error_message = "Every alert must name a section of the runbook."
  }
}

run "dashboard_is_valid_json_with_all_tiles" {
  command = plan

  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.overview.dashboard_json).mosaicLayout.tiles) == 18
    error_message = "The dashboard must have nine charts of operation, eight of quality, and the log panel."
  }
}
