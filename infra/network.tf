# Functions reach MLflow through a network of the project, because the MLflow endpoint for functions
# is closed to the internet. The network reaches only Google's own services: it has no NAT, and no
# instance has a public address.
resource "google_compute_network" "functions" {
  name                    = "functions"
  description             = "From the functions to MLflow and Google's services"
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "functions" {
  name                     = "functions"
  network                  = google_compute_network.functions.name
  region                   = var.region
  ip_cidr_range            = var.subnet_range
  private_ip_google_access = true
}
