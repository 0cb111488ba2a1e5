locals {
  # Two tiles per row, each 6 of the 12 columns wide. Monitoring leaves out positions of 0 in its
  # answer, so a tile without them is what the provider compares with.
  charts = [
    {
      title  = "Decisions per day"
      filter = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.decisions.name}\" resource.type=\"cloud_run_revision\""
      period = "86400s", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", group = ["metric.label.function", "metric.label.decision"], type = "STACKED_BAR"
    },
    {
      title  = "Dead letters"
      filter = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" resource.type=\"pubsub_subscription\" resource.label.subscription_id=ends_with(\"-dead-letter\")"
      period = "300s", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = ["resource.label.subscription_id"], type = "LINE"
    },
    {
      title  = "Age of the oldest unacknowledged event (s)"
      filter = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" resource.type=\"pubsub_subscription\" resource.label.subscription_id=one_of(${local.all_subscriptions})"
      period = "300s", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = ["resource.label.subscription_id"], type = "LINE"
    },
    {
      title  = "Pushes by response class"
      filter = "metric.type=\"pubsub.googleapis.com/subscription/push_request_count\" resource.type=\"pubsub_subscription\" resource.label.subscription_id=one_of(${local.all_subscriptions})"
      period = "3600s", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", group = ["resource.label.subscription_id", "metric.label.response_class"], type = "STACKED_BAR"
    },
    {
      title  = "Responses by status"
      filter = "metric.type=\"run.googleapis.com/request_count\" resource.type=\"cloud_run_revision\" resource.label.service_name=one_of(${local.all_quoted})"
      period = "3600s", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", group = ["resource.label.service_name", "metric.label.response_code"], type = "STACKED_BAR"
    },
    {
      title  = "Delivery latency, 95th percentile (ms)"
      filter = "metric.type=\"run.googleapis.com/request_latencies\" resource.type=\"cloud_run_revision\" resource.label.service_name=one_of(${local.all_quoted})"
      period = "3600s", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_95", group = ["resource.label.service_name"], type = "LINE"
    },
    {
      title  = "Memory utilization, 99th percentile"
      filter = "metric.type=\"run.googleapis.com/container/memory/utilizations\" resource.type=\"cloud_run_revision\""
      period = "3600s", aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_99", group = ["resource.label.service_name"], type = "LINE"
    },
    {
      title  = "MLflow: responses by status"
      filter = "metric.type=\"run.googleapis.com/request_count\" resource.type=\"cloud_run_revision\" resource.label.service_name=\"mlflow\""
      period = "3600s", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", group = ["resource.label.service_name", "metric.label.response_code_class"], type = "STACKED_BAR"
    },
    {
      title  = "MLflow: database disk utilization"
      filter = "metric.type=\"cloudsql.googleapis.com/database/disk/utilization\" resource.type=\"cloudsql_database\""
      period = "3600s", aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", group = ["resource.label.database_id"], type = "LINE"
    },
  ]

  # The mean of each metric of quality.tf.
  quality_charts = [for name, quality in local.qualities : {
    title  = quality.description
    filter = replace(local.quality[name], " AND ", " ")
    period = "86400s", aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", group = [for label in keys(quality.label) : "metric.label.${label}"], type = "STACKED_BAR"
  }]
  promotions_chart = {
    title  = "Decisions about challengers"
    filter = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.decisions.name}\" resource.type=\"cloud_run_revision\" metric.label.function=\"promote\""
    period = "86400s", aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", group = ["metric.label.decision"], type = "STACKED_BAR"
  }
  all_charts = concat(local.charts, local.quality_charts, [local.promotions_chart])

  chart_tiles = [for position, chart in local.all_charts : merge(
    position % 2 == 0 ? {} : { xPos = 6 },
    position < 2 ? {} : { yPos = 4 * floor(position / 2) },
    { width = 6, height = 4, widget = local.chart_widgets[position] },
  )]

  chart_widgets = [for chart in local.all_charts : {
    title = chart.title
    xyChart = {
      dataSets = [{
        plotType = chart.type
        timeSeriesQuery = {
          timeSeriesFilter = {
            filter = chart.filter
            aggregation = {
              alignmentPeriod    = chart.period
              perSeriesAligner   = chart.aligner
              crossSeriesReducer = chart.reducer
              groupByFields      = chart.group
            }
          }
        }
      }]
    }
  }]

  logs_tile = {
    yPos   = 4 * ceil(length(local.all_charts) / 2)
    width  = 12
    height = 4
    widget = {
      title = "Warnings and errors"
      logsPanel = {
        resourceNames = ["projects/${var.project_id}"]
        filter        = "resource.type=\"cloud_run_revision\"\nseverity>=WARNING"
      }
    }
  }
}

resource "google_monitoring_dashboard" "overview" {
  dashboard_json = jsonencode({
    displayName  = "bike-traffic ${var.environment}"
    mosaicLayout = { columns = 12, tiles = concat(local.chart_tiles, [local.logs_tile]) }
  })
}
