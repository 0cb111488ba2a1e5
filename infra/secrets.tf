locals {
  # Terraform creates the secrets and grants access to them. secrets.sh adds their versions, so no
  # value is in the state.
  secret_ids = {
    mlflow-database = "The URL of the MLflow database, including its password"
    notify-webhook  = "The address of the chat that receives notifications"
  }
}

resource "google_secret_manager_secret" "secret" {
  for_each = local.secret_ids

  secret_id           = each.key
  annotations         = { description = each.value }
  deletion_protection = local.protected

  # A destroyed version can be restored for one day.
  version_destroy_ttl = "86400s"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}
