locals {
  datasets = {
    bike_traffic_raw         = "Counts as published, one table per day: daily_YYYYMMDD"
    bike_traffic_predictions = "Forecasts, one table per forecast day: daily_YYYYMMDD"
    monitoring_audit         = "Decisions of the functions, with their reasons"
  }
}

# Load jobs of ingest and predict create and replace the daily tables, and bring the schema along.
# schemas/counts.json and schemas/forecasts.json document these schemas, and a test compares them
# with the code. Terraform creates the audit log, the only table that is appended to.
resource "google_bigquery_dataset" "dataset" {
  for_each = local.datasets

  dataset_id                 = each.key
  description                = each.value
  location                   = var.region
  delete_contents_on_destroy = !local.protected

  # Without this block, BigQuery makes terraform's account an owner, the editors of the project
  # writers and its viewers readers. Grants are members of the dataset that this block would remove,
  # so it applies to the creation only.
  access {
    role          = "OWNER"
    special_group = "projectOwners"
  }

  lifecycle {
    ignore_changes = [access]
  }
}

resource "google_bigquery_table" "logs" {
  dataset_id          = google_bigquery_dataset.dataset["monitoring_audit"].dataset_id
  table_id            = "logs"
  description         = "One row per function, event and decision; the view `decisions` has each once"
  schema              = file("${path.module}/schemas/audit_log.json")
  deletion_protection = local.protected
}

# A statement that is repeated after a lost response inserts a row twice, so queries of operators read
# this view. The functions and bike-traffic read the table with the same condition; a test compares
# both.
resource "google_bigquery_table" "decisions" {
  dataset_id          = google_bigquery_table.logs.dataset_id
  table_id            = "decisions"
  description         = "The audit log with each decision once: the row recorded last for a function, event and decision"
  deletion_protection = false

  view {
    use_legacy_sql = false
    query          = <<-EOT
      SELECT *
      FROM `${var.project_id}.${google_bigquery_table.logs.dataset_id}.${google_bigquery_table.logs.table_id}`
      WHERE TRUE
      QUALIFY ROW_NUMBER() OVER (PARTITION BY `function`, event_id, decision ORDER BY recorded_at DESC, `timestamp` DESC) = 1
    EOT
  }
}
