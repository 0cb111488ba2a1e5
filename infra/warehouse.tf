locals {
  datasets = {
    bike_traffic_raw         = "Counts as published, a table for each day: daily_YYYYMMDD"
    bike_traffic_predictions = "Forecasts, a table for each day they are for: daily_YYYYMMDD"
    monitoring_audit         = "What was decided, and why"
  }
}

# The daily tables are made and replaced whole by load jobs of ingest and predict, which bring the schema along:
# schemas/counts.json and schemas/forecasts.json are those schemas, held to the code by a test. Terraform makes the one
# table that is appended to.
resource "google_bigquery_dataset" "dataset" {
  for_each = local.datasets

  dataset_id                 = each.key
  description                = each.value
  location                   = var.region
  delete_contents_on_destroy = !local.protected
}

resource "google_bigquery_table" "logs" {
  dataset_id          = google_bigquery_dataset.dataset["monitoring_audit"].dataset_id
  table_id            = "logs"
  description         = "One row per function, event and decision; of rows with the same three the last recorded counts"
  schema              = file("${path.module}/schemas/audit_log.json")
  deletion_protection = local.protected
}
