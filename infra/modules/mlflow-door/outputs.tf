output "invokers" {
  description = "The members that Cloud Run lets in, where it checks who calls."
  value       = flatten(google_cloud_run_v2_service_iam_binding.invokers[*].members)
}

output "service" {
  description = "The Cloud Run service."
  value       = google_cloud_run_v2_service.door
}

output "uri" {
  description = "The address of the server behind this door."
  value       = google_cloud_run_v2_service.door.uri
}
