locals {
  registry = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "bike-traffic"
  description   = "The images of the functions and of MLflow, tagged with the commit they were built from"
  location      = var.region
  format        = "DOCKER"

  # In prod a tag means one image for ever: going back to it brings back what ran. In dev it may be pushed again.
  docker_config {
    immutable_tags = local.protected
  }

  # Both policies apply: what is old goes, but never the last twenty of an image.
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "7776000s"
    }
  }
  cleanup_policies {
    id     = "keep-last"
    action = "KEEP"
    most_recent_versions {
      keep_count = 20
    }
  }
}
