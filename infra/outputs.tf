output "bucket" {
  description = "The bucket of artifacts: the setting GCS_BUCKET."
  value       = google_storage_bucket.artifacts.name
}

output "functions" {
  description = "The address of each function."
  value       = { for name, function in module.function : name => function.uri }
}

output "mlflow_for_operators" {
  description = "MLflow's address for people: the setting MLFLOW_TRACKING_URI on their machines."
  value       = module.mlflow_for_operators.uri
}

output "mlflow_instance" {
  description = "The connection name of MLflow's database, which secrets.sh needs."
  value       = google_sql_database_instance.mlflow.connection_name
}

output "registry" {
  description = "Where images are pushed to."
  value       = local.registry
}
