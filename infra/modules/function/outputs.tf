output "account_ids" {
  description = "The ids of the accounts: `function`, which the service runs as, and `push`, which Pub/Sub calls it as."
  value       = { function = google_service_account.function.account_id, push = google_service_account.push.account_id }
}

output "dead_letters" {
  description = "The subscription that keeps the dead letters."
  value       = google_pubsub_subscription.dead_letters
}

output "invokers" {
  description = "The members that may call the service."
  value       = google_cloud_run_v2_service_iam_binding.invokers.members
}

output "project_roles" {
  description = "The roles that the function has on the project as a whole."
  value       = [google_project_iam_member.runs_jobs.role]
}

output "push" {
  description = "The push subscription."
  value       = google_pubsub_subscription.push
}

output "roles" {
  description = "All roles of the function's account, each with the resource it is on."
  value = merge(
    { for name, grant in google_pubsub_topic_iam_member.publishes : "topic ${name}" => grant.role },
    { for name, grant in google_bigquery_dataset_iam_member.uses : "dataset ${name}" => grant.role },
    { for name, grant in google_secret_manager_secret_iam_member.reads : "secret ${name}" => grant.role },
    {
      "bucket"             = google_storage_bucket_iam_member.reads.role
      "bucket, conditions" = google_storage_bucket_iam_member.writes.role
      "dead letters"       = google_pubsub_topic_iam_member.dead_letters_of_function.role
      "project"            = google_project_iam_member.runs_jobs.role
      "table logs"         = google_bigquery_table_iam_member.audits.role
    },
  )
}

output "service" {
  description = "The Cloud Run service."
  value       = google_cloud_run_v2_service.function
}

output "uri" {
  description = "The address of the service."
  value       = google_cloud_run_v2_service.function.uri
}

output "writes" {
  description = "The condition under which the function may write objects."
  value       = google_storage_bucket_iam_member.writes.condition[0].expression
}
