# Functions that use MLflow call Google's services through a network of the project. The network
# reaches nothing else: it has no NAT unless functions send notifications, and no instance has a public
# address.
resource "google_compute_network" "functions" {
  name                    = "functions"
  description             = "From the functions to Google's services"
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "functions" {
  name                     = "functions"
  network                  = google_compute_network.functions.name
  region                   = var.region
  ip_cidr_range            = var.subnet_range
  private_ip_google_access = true
}

# The way from the functions to a chat. No connection can be opened from outside.
resource "google_compute_router" "internet" {
  count = var.notifications ? 1 : 0

  name    = "functions"
  network = google_compute_network.functions.id
  region  = var.region
}

resource "google_compute_router_nat" "internet" {
  count = var.notifications ? 1 : 0

  name                               = "functions"
  router                             = google_compute_router.internet[0].name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.functions.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }
}
