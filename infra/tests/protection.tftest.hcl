# What cannot be made again is protected in prod, can be destroyed in dev, and is never eaten by a life-cycle rule.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
}

run "prod_protects_deletion" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = alltrue([for function in module.function : function.service.deletion_protection])
    error_message = "Services must be protected."
  }
  assert {
    condition     = module.mlflow_for_functions.service.deletion_protection && module.mlflow_for_operators.service.deletion_protection
    error_message = "MLflow must be protected."
  }
  assert {
    condition     = !google_storage_bucket.artifacts.force_destroy && !google_storage_bucket.mlflow.force_destroy
    error_message = "Buckets that hold something must not be deleted."
  }
  assert {
    condition     = google_bigquery_table.logs.deletion_protection && alltrue([for dataset in google_bigquery_dataset.dataset : !dataset.delete_contents_on_destroy])
    error_message = "Tables must be protected."
  }
  assert {
    condition     = google_sql_database_instance.mlflow.deletion_protection && google_sql_database_instance.mlflow.settings[0].deletion_protection_enabled
    error_message = "The registry's database must be protected, from terraform and from everybody."
  }
  assert {
    condition     = google_sql_database_instance.mlflow.settings[0].backup_configuration[0].point_in_time_recovery_enabled
    error_message = "The registry must be recoverable to any minute."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.secret : secret.deletion_protection])
    error_message = "Secrets must be protected."
  }
  assert {
    condition     = google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "Nobody may put another image under a tag that was deployed."
  }
}

run "dev_can_be_destroyed" {
  command = plan

  variables {
    environment = "dev"
  }

  assert {
    condition     = alltrue([for function in module.function : !function.service.deletion_protection])
    error_message = "Services of dev must be deletable."
  }
  assert {
    condition     = google_storage_bucket.artifacts.force_destroy && !google_sql_database_instance.mlflow.deletion_protection && alltrue([for dataset in google_bigquery_dataset.dataset : dataset.delete_contents_on_destroy])
    error_message = "Buckets, tables and database of dev must be deletable."
  }
  assert {
    condition     = !google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "In dev a tag may be pushed again."
  }
}

run "life_cycle_rules_spare_what_is_needed" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = google_storage_bucket.artifacts.versioning[0].enabled && google_storage_bucket.mlflow.versioning[0].enabled
    error_message = "What is overwritten must be kept for a while."
  }
  assert {
    condition     = alltrue([for rule in google_storage_bucket.artifacts.lifecycle_rule : length(rule.condition) == 1 && alltrue([for condition in rule.condition : length(condition.matches_prefix) > 0])])
    error_message = "A rule without a prefix would cover the baselines."
  }
  assert {
    # A prefix covers an object if the object's name begins with it.
    condition = alltrue(flatten([for rule in google_storage_bucket.artifacts.lifecycle_rule : [for condition in rule.condition : [for prefix in condition.matches_prefix :
    [for object in ["data/train_baseline.csv", "data/test_baseline.csv", "data/baseline.json", "data/baselines/"] : !startswith(object, prefix) && !startswith(prefix, "data")]]]]))
    error_message = "No rule may touch the baselines."
  }
  assert {
    condition = alltrue(flatten([for rule in google_storage_bucket.artifacts.lifecycle_rule : [for condition in rule.condition : condition.with_state == "ARCHIVED" || !anytrue([
      for prefix in condition.matches_prefix : startswith("models/bike-traffic/champion-2021-05-15/model.ubj", prefix) || startswith(prefix, "models/bike-traffic/champion")
    ])]]))
    error_message = "No rule may touch a champion that a person has trained."
  }
  assert {
    condition = alltrue(flatten([for rule in google_storage_bucket.artifacts.lifecycle_rule : [for condition in rule.condition :
    one(rule.action).type != "Delete" || condition.with_state == "ARCHIVED" if anytrue([for prefix in condition.matches_prefix : startswith(prefix, "models") || startswith("models/bike-traffic/fine-tune-2021-W30/model.ubj", prefix)])]]))
    error_message = "A rule cannot know who is champion, so none may delete a live model."
  }
  assert {
    condition = alltrue(flatten([for rule in google_storage_bucket.artifacts.lifecycle_rule : [for condition in rule.condition :
    condition.with_state == "ARCHIVED" || alltrue([for prefix in condition.matches_prefix : contains(["exports/", "models/bike-traffic/fine-tune-", "raw/"], prefix)])]]))
    error_message = "Of live objects only raw copies, exports and fine-tuned models grow old: not the ledger, nor reports and evaluations."
  }
  assert {
    condition     = one([for rule in google_storage_bucket.artifacts.lifecycle_rule : one(rule.condition).age if one(rule.action).type == "Delete" && one(rule.condition).matches_prefix == tolist(["exports/"])]) == 90
    error_message = "Exports must be deleted after 90 days."
  }
  assert {
    condition     = one([for rule in google_storage_bucket.artifacts.lifecycle_rule : one(rule.condition).age if try(one(rule.action).storage_class, "") == "NEARLINE" && one(rule.condition).matches_prefix == tolist(["models/bike-traffic/fine-tune-"])]) == 120
    error_message = "Fine-tuned models older than a quarter must cost less."
  }
  assert {
    condition     = alltrue([for rule in google_storage_bucket.mlflow.lifecycle_rule : alltrue([for condition in rule.condition : condition.with_state == "ARCHIVED"])])
    error_message = "What MLflow keeps is its own to delete."
  }
}

run "configuration" {
  module {
    source = "./tests/text"
  }
}

run "no_secret_value_is_in_the_state" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = length(regexall("google_secret_manager_secret_version|google_sql_user|random_password|secret_data", run.configuration.text)) == 0
    error_message = "Values of secrets come from secrets.sh; terraform would write them into its state."
  }
}

run "the_audit_log_has_its_columns" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = [for column in jsondecode(google_bigquery_table.logs.schema) : column.name][17] == "recorded_at" && length(jsondecode(google_bigquery_table.logs.schema)) == 18
    error_message = "The table must have the columns that functions write."
  }
}

run "latest_is_no_tag" {
  command = plan

  variables {
    environment = "dev"
    image_tag   = "latest"
  }

  expect_failures = [var.image_tag]
}

run "an_environment_is_dev_or_prod" {
  command = plan

  variables {
    environment = "staging"
  }

  expect_failures = [var.environment]
}
