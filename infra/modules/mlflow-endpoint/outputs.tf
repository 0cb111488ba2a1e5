output "invokers" {
  description = "The members that may call the endpoint."
  value       = google_cloud_run_v2_service_iam_binding.invokers.members
}

output "service" {
  description = "The Cloud Run service."
  value       = google_cloud_run_v2_service.endpoint
}

output "uri" {
  description = "The URL of the endpoint."
  value       = google_cloud_run_v2_service.endpoint.uri
}
