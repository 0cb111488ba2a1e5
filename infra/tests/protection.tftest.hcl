# Data that cannot be recreated is protected in prod, can be destroyed in dev, and is exempt from
# lifecycle rules.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
}

run "prod_resources_are_protected_from_deletion" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = alltrue([for function in module.function : function.service.deletion_protection])
    error_message = "Services must be protected from deletion."
  }
  assert {
    condition     = module.mlflow.service.deletion_protection
    error_message = "MLflow must be protected from deletion."
  }
  assert {
    condition     = !google_storage_bucket.artifacts.force_destroy && !google_storage_bucket.mlflow.force_destroy
    error_message = "Buckets with objects must not be deleted."
  }
  assert {
    condition     = google_bigquery_table.logs.deletion_protection && alltrue([for dataset in google_bigquery_dataset.dataset : !dataset.delete_contents_on_destroy])
    error_message = "Tables must be protected from deletion."
  }
  assert {
    condition     = google_sql_database_instance.mlflow.deletion_protection && google_sql_database_instance.mlflow.settings[0].deletion_protection_enabled
    error_message = "The MLflow database must be protected from deletion, both in terraform and in Cloud SQL."
  }
  assert {
    condition     = google_sql_database_instance.mlflow.settings[0].backup_configuration[0].point_in_time_recovery_enabled
    error_message = "The MLflow database must support point-in-time recovery."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.secret : secret.deletion_protection])
    error_message = "Secrets must be protected from deletion."
  }
  assert {
    condition     = google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "Image tags must be immutable in prod."
  }
}

run "dev_resources_can_be_destroyed" {
  command = plan

  variables {
    environment = "dev"
  }

  assert {
    condition     = alltrue([for function in module.function : !function.service.deletion_protection])
    error_message = "Services must be deletable in dev."
  }
  assert {
    condition     = google_storage_bucket.artifacts.force_destroy && !google_sql_database_instance.mlflow.deletion_protection && alltrue([for dataset in google_bigquery_dataset.dataset : dataset.delete_contents_on_destroy])
    error_message = "Buckets, tables and the database must be deletable in dev."
  }
  assert {
    condition     = !google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "Image tags must be mutable in dev."
  }
}

run "lifecycle_rules_exempt_baselines_and_live_models" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = google_storage_bucket.artifacts.versioning[0].enabled && google_storage_bucket.mlflow.versioning[0].enabled
    error_message = "Buckets must keep noncurrent versions."
  }
  assert {
    condition     = alltrue([for rule in google_storage_bucket.artifacts.lifecycle_rule : length(rule.condition) == 1 && alltrue([for condition in rule.condition : length(condition.matches_prefix) > 0])])
    error_message = "Every rule must have a prefix, or it covers the baselines."
  }
  assert {
    # A prefix covers an object if the object's name starts with it.
    condition = alltrue(flatten([for rule in google_storage_bucket.artifacts.lifecycle_rule : [for condition in rule.condition : [for prefix in condition.matches_prefix :
    [for object in ["data/train_baseline.csv", "data/test_baseline.csv", "data/baseline.json", "data/baselines/"] : !startswith(object, prefix) && !startswith(prefix, "data")]]]]))
    error_message = "No rule may cover the baselines."
  }
  assert {
    condition = alltrue(flatten([for rule in google_storage_bucket.artifacts.lifecycle_rule : [for condition in rule.condition : condition.with_state == "ARCHIVED" || !anytrue([
      for prefix in condition.matches_prefix : startswith("models/bike-traffic/champion-2021-05-15/model.ubj", prefix) || startswith(prefix, "models/bike-traffic/champion")
    ])]]))
    error_message = "No rule on live objects may cover a champion that a person has trained."
  }
  assert {
    condition = alltrue(flatten([for rule in google_storage_bucket.artifacts.lifecycle_rule : [for condition in rule.condition :
    one(rule.action).type != "Delete" || condition.with_state == "ARCHIVED" if anytrue([for prefix in condition.matches_prefix : startswith(prefix, "models") || startswith("models/bike-traffic/fine-tune-2021-W30/model.ubj", prefix)])]]))
    error_message = "No rule may delete a live model, because it can be the champion."
  }
  assert {
    condition = alltrue(flatten([for rule in google_storage_bucket.artifacts.lifecycle_rule : [for condition in rule.condition :
    condition.with_state == "ARCHIVED" || alltrue([for prefix in condition.matches_prefix : contains(["exports/", "models/bike-traffic/fine-tune-", "raw/"], prefix)])]]))
    error_message = "Rules on live objects must cover raw copies, exports and fine-tuned models only."
  }
  assert {
    condition     = one([for rule in google_storage_bucket.artifacts.lifecycle_rule : one(rule.condition).age if one(rule.action).type == "Delete" && one(rule.condition).matches_prefix == tolist(["exports/"])]) == 90
    error_message = "Exports must be deleted after 90 days."
  }
  assert {
    condition     = one([for rule in google_storage_bucket.artifacts.lifecycle_rule : one(rule.condition).age if try(one(rule.action).storage_class, "") == "NEARLINE" && one(rule.condition).matches_prefix == tolist(["models/bike-traffic/fine-tune-"])]) == 120
    error_message = "Fine-tuned models must move to NEARLINE after 120 days."
  }
  assert {
    condition     = alltrue([for rule in google_storage_bucket.mlflow.lifecycle_rule : alltrue([for condition in rule.condition : condition.with_state == "ARCHIVED"])])
    error_message = "Rules of the MLflow bucket must cover noncurrent versions only."
  }
}

run "configuration" {
  module {
    source = "./tests/text"
  }
}

run "secret_values_are_absent_from_the_state" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = length(regexall("google_secret_manager_secret_version|google_sql_user|random_password|secret_data", run.configuration.text)) == 0
    error_message = "Secret values must come from secrets.sh, because terraform would write them to its state."
  }
}

run "audit_log_has_all_columns" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = [for column in jsondecode(google_bigquery_table.logs.schema) : column.name][17] == "recorded_at" && length(jsondecode(google_bigquery_table.logs.schema)) == 21
    error_message = "The audit log must have the 21 columns that functions write."
  }
}

run "view_has_each_decision_once" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition = (
      google_bigquery_table.decisions.dataset_id == "monitoring_audit" &&
      google_bigquery_table.decisions.table_id == "decisions" &&
      strcontains(google_bigquery_table.decisions.view[0].query, "FROM `a-project.monitoring_audit.logs`") &&
      strcontains(google_bigquery_table.decisions.view[0].query, "PARTITION BY `function`, event_id, decision ORDER BY recorded_at DESC") &&
      !google_bigquery_table.decisions.view[0].use_legacy_sql
    )
    error_message = "The view monitoring_audit.decisions must have the row recorded last for each function, event and decision."
  }
}

run "image_tag_latest_is_rejected" {
  command = plan

  variables {
    environment = "dev"
    image_tag   = "latest"
  }

  expect_failures = [var.image_tag]
}

run "environment_other_than_dev_and_prod_is_rejected" {
  command = plan

  variables {
    environment = "staging"
  }

  expect_failures = [var.environment]
}
