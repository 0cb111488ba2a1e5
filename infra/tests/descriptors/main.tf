# Facts about Google's metrics that no test can derive from this configuration.

output "metrics" {
  description = "The descriptors, by metric type."
  value       = jsondecode(file("${path.module}/metrics.json")).metrics
}
