output "bucket" {
  description = "The artifact bucket, which is the value of the setting GCS_BUCKET."
  value       = google_storage_bucket.artifacts.name
}

output "functions" {
  description = "The URL of each function."
  value       = { for name, function in module.function : name => function.uri }
}

output "mlflow" {
  description = "The URL of MLflow, which is the value of the setting MLFLOW_TRACKING_URI."
  value       = module.mlflow.uri
}

output "mlflow_account" {
  description = "The account that operators impersonate to call MLflow, which is the value of the setting MLFLOW_ACCOUNT on their machines."
  value       = "${google_service_account.operators.account_id}@${var.project_id}.iam.gserviceaccount.com"
}

output "mlflow_instance" {
  description = "The connection name of the MLflow database, which secrets.sh needs."
  value       = google_sql_database_instance.mlflow.connection_name
}

output "pipeline" {
  description = "The provider of workload identity, which is the variable WORKLOAD_IDENTITY_PROVIDER of the workflows. null without a repository."
  value       = one([for provider in google_iam_workload_identity_pool_provider.pipeline : provider.name])
}

output "registry" {
  description = "The image registry, without the image name."
  value       = local.registry
}
