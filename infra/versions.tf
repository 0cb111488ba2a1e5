terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.14"
    }
  }

  # Bucket and prefix come from environments/ENV.gcs.tfbackend. bootstrap.sh creates the bucket.
  backend "gcs" {}
}

provider "google" {
  project                     = var.project_id
  region                      = var.region
  impersonate_service_account = var.deployer

  default_labels = {
    app         = "bike-traffic"
    environment = var.environment
  }
}
