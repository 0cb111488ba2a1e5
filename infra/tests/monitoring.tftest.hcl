# Whoever is on call hears of what needs a person.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  environment = "prod"
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
}

run "alerts" {
  # Not a plan: the name of the channel is known when it is there.
  assert {
    condition = alltrue([for policy in [
      google_monitoring_alert_policy.dead_letters,
      google_monitoring_alert_policy.errors,
      google_monitoring_alert_policy.ledger_overdue,
      google_monitoring_alert_policy.major_drift,
      google_monitoring_alert_policy.no_ingest,
      google_monitoring_alert_policy.slow,
    ] : toset(policy.notification_channels) == toset([google_monitoring_notification_channel.email.name]) && length(policy.conditions) <= 6])
    error_message = "Every alert must reach the address, and have the six conditions at most that Monitoring takes."
  }
  assert {
    condition     = google_monitoring_notification_channel.email.labels.email_address == "on-call@example.com"
    error_message = "Alerts must go to the address of the variable."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.no_ingest.conditions[0].condition_prometheus_query_language[0].query, "[36h]")
    error_message = "36 hours without counts must be an alert."
  }
  assert {
    condition = alltrue([for name, function in local.functions :
      sum([for condition in google_monitoring_alert_policy.ledger_overdue.conditions : length(regexall("\"${name}\"", condition.condition_threshold[0].filter))]) == 1 &&
      sum([for condition in google_monitoring_alert_policy.slow.conditions : length(regexall("\"${name}\"", condition.condition_threshold[0].filter))]) == 1
    ])
    error_message = "Every function must have one limit for overdue events and one for latency."
  }
  assert {
    # Pauses double from 10 s to 600 s, and each attempt takes up to the timeout.
    condition = alltrue([for function in local.functions : function.overdue_after_seconds >
    sum([for attempt in range(function.maximum_attempts - 1) : min(600, 10 * pow(2, min(attempt, 6)))])])
    error_message = "An event is overdue only when its attempts are over."
  }
}

run "faults" {
  command = plan

  assert {
    condition = alltrue([for name in keys(local.functions) :
      sum([for condition in google_monitoring_alert_policy.errors.conditions : length(regexall("\"${name}\"", condition.condition_threshold[0].filter))]) == 1
    ])
    error_message = "The faults of every function must be watched, once."
  }
  assert {
    condition = alltrue([for condition in google_monitoring_alert_policy.errors.conditions :
      [for code in ["200", "204", "400", "401", "403", "404", "413", "500", "502", "503", "504"] : code
      if can(regex("^(?:${one(regex("response_code=monitoring.regex.full_match\\(\"(.*)\"\\)", condition.condition_threshold[0].filter))})$", code))] ==
      ["401", "403", "413", "500", "502", "503", "504"]
    ])
    error_message = "A push that is not let in, a message that is too large and a broken release must be faults."
  }
  assert {
    condition = alltrue([for condition in google_monitoring_alert_policy.errors.conditions :
      startswith(condition.condition_threshold[0].filter, "${condition.condition_threshold[0].denominator_filter} AND ") &&
      strcontains(condition.condition_threshold[0].denominator_filter, "response_code!=\"503\"") == strcontains(condition.condition_threshold[0].filter, "\"ingest\"")
    ])
    error_message = "Faults must be compared with all answers; of ingest without those that say that the city is late."
  }
}

run "the_runbook_has_a_section_for_each_alert" {
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
    error_message = "An alert must name the section of the runbook that says what to do."
  }
}

run "the_dashboard_is_json" {
  command = plan

  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.overview.dashboard_json).mosaicLayout.tiles) == 9
    error_message = "The dashboard must show its eight charts and the log."
  }
}
