# Baselines, raw copies, models, reports, evaluations and the ledger.
resource "google_storage_bucket" "artifacts" {
  name                        = "${var.project_id}-bike-traffic"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !local.protected

  # Objects that are overwritten or deleted by mistake can be restored.
  versioning {
    enabled = true
  }

  # Raw copies are rarely read and are deleted after `raw_days`. The counts remain in the daily
  # tables.
  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age                   = 30
      matches_prefix        = ["raw/"]
      matches_storage_class = ["STANDARD"]
    }
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = var.raw_days
      matches_prefix = ["raw/"]
    }
  }

  # Exports of `bike-traffic export` and `retrain`, which people download. A deleted month can be
  # exported again.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 90
      matches_prefix = ["exports/"]
    }
  }

  # Models. A rule sees names and ages but not MLflow's aliases, so no rule may delete a live
  # object: the champion of prod can be two years old.
  #
  # Fine-tuned models older than 120 days are older than the last quarterly retraining and are
  # hardly ever loaded. They move to a class that costs half as much; a promoted model in it is read
  # just as fast. Champions that a person has trained keep their class. Noncurrent versions are
  # deleted after 90 days.
  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age                   = 120
      matches_prefix        = ["models/bike-traffic/fine-tune-"]
      matches_storage_class = ["STANDARD"]
    }
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      with_state                 = "ARCHIVED"
      days_since_noncurrent_time = 90
      matches_prefix             = ["models/"]
    }
  }

  # The ledger and the lock of the registry are written several times for each event. Their earlier
  # versions are useful for a week.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      with_state                 = "ARCHIVED"
      days_since_noncurrent_time = 7
      matches_prefix             = ["ledger/", "registry/"]
    }
  }

  # No rule covers data/, because a challenger cannot be compared with a champion without the
  # baselines. For the same reason every rule has a prefix.
}

# Run artifacts of MLflow. A separate bucket keeps MLflow away from the models that functions load.
resource "google_storage_bucket" "mlflow" {
  name                        = "${var.project_id}-bike-traffic-mlflow"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !local.protected

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      with_state                 = "ARCHIVED"
      days_since_noncurrent_time = 90
    }
  }
}
