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
    condition = alltrue([for policy in [
      google_monitoring_alert_policy.dead_letters,
      google_monitoring_alert_policy.errors,
      google_monitoring_alert_policy.ledger_overdue,
      google_monitoring_alert_policy.major_drift,
      google_monitoring_alert_policy.no_ingest,
      google_monitoring_alert_policy.slow,
    ] : toset(policy.notification_channels) == toset([google_monitoring_notification_channel.email.name]) && length(policy.conditions) <= 6])
    error_message = "Every alert must notify the channel and have at most six conditions, the limit of Monitoring."
  }
  assert {
    condition     = google_monitoring_notification_channel.email.labels.email_address == "on-call@example.com"
    error_message = "Alerts must go to the address in alert_email."
  }
  assert {
    condition = alltrue([for policy in [
      google_monitoring_alert_policy.dead_letters,
      google_monitoring_alert_policy.errors,
      google_monitoring_alert_policy.ledger_overdue,
      google_monitoring_alert_policy.major_drift,
      google_monitoring_alert_policy.no_ingest,
      google_monitoring_alert_policy.slow,
    ] : strcontains(policy.documentation[0].content, "https://storage.cloud.google.com/a-project-bike-traffic/reports/index.html")])
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
      ["401", "403", "413", "500", "502", "503", "504"]
    ])
    error_message = "Unauthenticated pushes, oversized messages and server errors must count as errors."
  }
  assert {
    condition = alltrue([for condition in google_monitoring_alert_policy.errors.conditions :
      startswith(condition.condition_threshold[0].filter, "${condition.condition_threshold[0].denominator_filter} AND ") &&
      strcontains(condition.condition_threshold[0].denominator_filter, "response_code!=\"503\"") == strcontains(condition.condition_threshold[0].filter, "\"ingest\"")
    ])
    error_message = "The denominator must be all responses, for drift-check and ingest without the 503 of missing days."
  }
}

run "alerts_name_a_section_of_the_runbook" {
  command = plan

  assert {
    condition = alltrue([for policy in [
      google_monitoring_alert_policy.dead_letters,
      google_monitoring_alert_policy.errors,
      google_monitoring_alert_policy.ledger_overdue,
      google_monitoring_alert_policy.major_drift,
      google_monitoring_alert_policy.no_ingest,
      google_monitoring_alert_policy.slow,
    ] : length(regexall("section \"[^\"]+\"", policy.documentation[0].content)) == 1])
    error_message = "Every alert must name a section of the runbook."
  }
}

run "dashboard_is_valid_json_with_all_tiles" {
  command = plan

  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.overview.dashboard_json).mosaicLayout.tiles) == 9
    error_message = "The dashboard must have eight charts and the log panel."
  }
}
