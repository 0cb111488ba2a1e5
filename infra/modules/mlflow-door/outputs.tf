output "service" {
  description = "The Cloud Run service."
  value       = google_cloud_run_v2_service.door
}

output "uri" {
  description = "The address of the server behind this door."
  value       = google_cloud_run_v2_service.door.uri
}
