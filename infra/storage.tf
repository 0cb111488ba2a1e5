# Baselines, raw copies, models, reports, evaluations and the ledger.
resource "google_storage_bucket" "artifacts" {
  name                        = "${var.project_id}-bike-traffic"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !local.protected

  # An object that is overwritten or deleted by mistake can be had back.
  versioning {
    enabled = true
  }

  # Raw copies: read on rare occasions, and for a year at most; the counts are in the daily tables.
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

  # Exports: what `bike-traffic export` and `retrain` have written to be downloaded. A month that is gone is exported again.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 90
      matches_prefix = ["exports/"]
    }
  }

  # Models: a rule sees names and ages, not MLflow's aliases, so none may delete a live object: the champion of prod can be
  # two years old. Fine-tuned ones that are older than a quarter, and so than the last retraining, are moved to where they
  # cost half: hardly one of them is still loaded, and the one that was promoted is read from there as fast. Champions that
  # a person has trained stay where they are. What has been overwritten or deleted goes after a quarter.
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

  # The ledger and the registry's lock are written several times for each event; what they said before helps for a week.
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

  # No rule names data/: without the baselines no challenger can be compared with any champion. Nor is there a rule
  # without a prefix, which would cover it.
}

# What MLflow keeps of each run. A bucket of its own, so that MLflow cannot touch what functions load.
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
