locals {
  # The map of the six functions. A test compares it with the settings that the programs read.
  map       = jsondecode(file("${path.module}/functions.json"))
  functions = local.map.functions

  # The names of each function's push subscriptions, as in modules/function/push.tf.
  subscriptions = { for name, function in local.functions : name => concat([name], slice(function.inputs, 1, length(function.inputs))) }

  # Deletion protection depends on the environment, so no variable can turn it off in prod.
  protected = var.environment == "prod"

  # Values of the settings that functions.json names. Secret values are in `secrets`.
  settings = {
    BQ_LOCATION          = var.region
    ENVIRONMENT          = var.environment
    FINE_TUNE            = var.fine_tune
    GCS_BUCKET           = google_storage_bucket.artifacts.name
    GOOGLE_CLOUD_PROJECT = var.project_id
    MLFLOW_TRACKING_URI  = module.mlflow.uri
    OPEN_DATA_URL        = var.open_data_url
    # Traces: docs/deploy.md, section "Follow an event through the functions".
    OTEL_EXPORTER_OTLP_ENDPOINT = var.otel_endpoint
    POLICY                      = var.policy
    RUST_LOG                    = var.log_level
  }
  # The module sets these itself, so that they agree with its push subscription.
  push_settings = ["PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"]
  secrets = {
    NOTIFY_WEBHOOK = google_secret_manager_secret.secret["notify-webhook"].secret_id
  }

  # Cloud Run starts no revision with a secret that has no version. Without a collector, a function
  # exports nothing.
  unset = concat(var.notifications ? [] : ["NOTIFY_WEBHOOK"], var.otel_endpoint == null ? ["OTEL_EXPORTER_OTLP_ENDPOINT"] : [])
  names = { for name, function in local.functions : name => setsubtract(concat(local.map.environment, function.environment), local.unset) }
}

data "google_project" "this" {
  project_id = var.project_id
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name          = each.key
  project_id    = var.project_id
  region        = var.region
  image         = local.images[each.key]
  protected     = local.protected
  deployer      = var.deployer
  pubsub_agent  = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  resources     = each.value
  input_topics  = [for topic in each.value.inputs : local.topic_ids[topic]]
  output_topics = { for topic in each.value.publishes : topic => local.topic_ids[topic] }
  bucket        = google_storage_bucket.artifacts.name
  datasets      = { for name, need in each.value.tables : google_bigquery_dataset.dataset[name].dataset_id => need }
  audit_log     = { dataset = google_bigquery_table.logs.dataset_id, table = google_bigquery_table.logs.table_id }
  generation    = var.secret_generation
  callers       = each.key == "predict" ? var.predict_callers : []

  environment = { for name in setsubtract(local.names[each.key], local.push_settings) : name => local.settings[name] if !contains(keys(local.secrets), name) }
  secrets     = { for name in local.names[each.key] : name => local.secrets[name] if contains(keys(local.secrets), name) }

  # ingest reaches the city, so it gets neither the network nor a call to MLflow.
  subnetwork = each.value.mlflow ? {
    network    = google_compute_network.functions.name
    subnetwork = google_compute_subnetwork.functions.name
  } : null
}
