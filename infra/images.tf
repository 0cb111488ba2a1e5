locals {
  registry = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"

  # By digest, so that a tag that is pushed again changes no running service.
  images = { for name in concat(keys(local.functions), ["mlflow"]) : name =>
  try("${local.registry}/${name}@${var.image_digests[name]}", "${local.registry}/${name}:${var.image_tag}") }
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "bike-traffic"
  description   = "Images of the functions and of MLflow, tagged with the commit they were built from"
  location      = var.region
  format        = "DOCKER"

  # In prod a tag always names the same image, so a rollback restores exactly the image that ran
  # before. In dev a tag may be pushed again.
  docker_config {
    immutable_tags = local.protected
  }

  # Both policies apply: old images are deleted, except the 20 most recent versions of each.
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
