output "account_ids" {
  description = "The ids of the accounts: `function` runs the service, `push` authenticates Pub/Sub."
  value       = { function = google_service_account.function.account_id, push = google_service_account.push.account_id }
}

output "dead_letters" {
  description = "The subscription that stores the dead letters."
  value       = google_pubsub_subscription.dead_letters
}

output "deployers" {
  description = "The grants of the deployer: role and member, by service account."
  value       = { for grant in google_service_account_iam_member.deployer : grant.service_account_id => "${grant.role} ${grant.member}" }
}

output "invokers" {
  description = "The members that may call the service."
  value       = google_cloud_run_v2_service_iam_binding.invokers.members
}

output "members" {
  description = "The members that hold the roles: only the function's account."
  value = toset(concat(
    values(google_pubsub_topic_iam_member.publishes)[*].member,
    values(google_bigquery_dataset_iam_member.uses)[*].member,
    values(google_secret_manager_secret_iam_member.reads)[*].member,
    [
      google_bigquery_table_iam_member.audits.member,
      google_project_iam_member.runs_jobs.member,
      google_pubsub_topic_iam_member.dead_letters_of_function.member,
      google_storage_bucket_iam_member.reads.member,
      google_storage_bucket_iam_member.writes.member,
    ],
  ))
}

output "project_roles" {
  description = "The roles of the function on the project as a whole."
  value       = [google_project_iam_member.runs_jobs.role]
}

output "pubsub_roles" {
  description = "The roles of Pub/Sub's service agent, by resource."
  value = {
    "dead letters" = google_pubsub_topic_iam_member.dead_letters_of_pubsub.role
    "push"         = one(distinct(google_pubsub_subscription_iam_member.dead_letters_of_pubsub[*].role))
    "push account" = google_service_account_iam_member.push_tokens.role
  }
}

output "push" {
  description = "The push subscription with the name of the function, to its first input topic."
  value       = google_pubsub_subscription.push[0]
}

output "pushes" {
  description = "All push subscriptions, in the order of the input topics."
  value       = google_pubsub_subscription.push
}

output "roles" {
  description = "All roles of the function's account, by resource."
  value = merge(
    { for name, grant in google_pubsub_topic_iam_member.publishes : "topic ${name}" => grant.role },
    { for name, grant in google_bigquery_dataset_iam_member.uses : "dataset ${name}" => grant.role },
    { for name, grant in google_secret_manager_secret_iam_member.reads : "secret ${name}" => grant.role },
    {
      "bucket ${google_storage_bucket_iam_member.reads.bucket}"               = google_storage_bucket_iam_member.reads.role
      "bucket ${google_storage_bucket_iam_member.writes.bucket}, own objects" = google_storage_bucket_iam_member.writes.role
      "dead letters"                                                          = google_pubsub_topic_iam_member.dead_letters_of_function.role
      "project"                                                               = google_project_iam_member.runs_jobs.role
      "table ${google_bigquery_table_iam_member.audits.table_id}"             = google_bigquery_table_iam_member.audits.role
    },
  )
}

output "service" {
  description = "The Cloud Run service."
  value       = google_cloud_run_v2_service.function
}

output "uri" {
  description = "The URL of the service."
  value       = google_cloud_run_v2_service.function.uri
}

output "writes" {
  description = "The IAM condition on writing objects."
  value       = google_storage_bucket_iam_member.writes.condition[0].expression
}
