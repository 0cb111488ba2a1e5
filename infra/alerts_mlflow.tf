# Alerts on the registry: MLflow's service and its database.

resource "google_monitoring_alert_policy" "mlflow_errors" {
  display_name          = "${local.title}: errors of MLflow"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "five responses of MLflow in an hour were 5xx"
    condition_threshold {
      filter     = "resource.type=\"cloud_run_revision\" AND metric.type=\"run.googleapis.com/request_count\" AND resource.labels.service_name=\"mlflow\" AND metric.labels.response_code_class=\"5xx\""
      comparison = "COMPARISON_GT"
      # Fewer are repeated by their callers.
      threshold_value = 4
      duration        = "0s"
      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.labels.service_name"]
      }
    }
  }

  alert_strategy {
    auto_close = local.auto_close
  }

  documentation {
    content = "${local.runbook} \"MLflow\".${local.page}"
  }
}

# A server that does not start answers nothing, so no response counts as an error. Cloud Run logs
# failed probes and exits of the container in its system log.
resource "google_monitoring_alert_policy" "mlflow_start" {
  display_name          = "${local.title}: MLflow does not start"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "Cloud Run logged an error about an instance of MLflow"
    condition_matched_log {
      filter = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"mlflow\" AND log_id(\"run.googleapis.com/varlog/system\") AND severity>=ERROR"
    }
  }

  alert_strategy {
    auto_close = local.auto_close
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "${local.runbook} \"MLflow\".${local.page}"
  }
}

resource "google_monitoring_alert_policy" "database" {
  display_name          = "${local.title}: database of MLflow"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [google_monitoring_notification_channel.email.name]

  conditions {
    display_name = "the disk is 80 % full, and has reached the limit of its growth"
    condition_threshold {
      filter          = "${local.database} AND metric.type=\"cloudsql.googleapis.com/database/disk/utilization\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0.8
      duration        = "3600s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
  conditions {
    display_name = "the server is down for ten minutes"
    condition_threshold {
      filter          = "${local.database} AND metric.type=\"cloudsql.googleapis.com/database/up\""
      comparison      = "COMPARISON_LT"
      threshold_value = 1
      duration        = "600s"
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
    content = "${local.runbook} \"MLflow\".${local.page}"
  }
}

locals {
  database = "resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${google_sql_database_instance.mlflow.name}\""
}
