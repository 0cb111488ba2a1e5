locals {
  # Terraform knows that they exist and who reads them, not what they say: secrets.sh makes their versions, so that no
  # value is in the state.
  secret_ids = {
    mlflow-database = "The address of MLflow's database, with its password"
    mlflow-password = "The password with which functions log in to MLflow"
  }
}

resource "google_secret_manager_secret" "secret" {
  for_each = local.secret_ids

  secret_id           = each.key
  annotations         = { what = each.value }
  deletion_protection = local.protected

  # For a day after its destruction a version can be brought back.
  version_destroy_ttl = "86400s"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}
