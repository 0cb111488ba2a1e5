# Properties of Google's services that make a plan after an apply, or a destroy, differ from the
# configuration.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  environment = "dev"
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
}

run "configuration" {
  module {
    source = "./tests/text"
  }
}

run "services_have_a_service_level_scaling_block" {
  command = plan

  assert {
    # Cloud Run returns the block with zeros for every service. Without a block in the
    # configuration, every plan removes it.
    condition = alltrue([for service in concat(values(module.function)[*].service, [module.mlflow.service]) :
    [for scaling in service.scaling : scaling.min_instance_count] == [0]])
    error_message = "Every service must have a service-level scaling block."
  }
}

run "dashboard_has_no_zero_positions" {
  # Monitoring leaves out zeros in its answer, and the provider compares the texts.
  assert {
    condition     = alltrue([for tile in jsondecode(google_monitoring_dashboard.overview.dashboard_json).mosaicLayout.tiles : try(tile.xPos, 1) > 0 && try(tile.yPos, 1) > 0])
    error_message = "xPos and yPos must be absent instead of 0."
  }
  assert {
    condition = length(distinct([for tile in jsondecode(google_monitoring_dashboard.overview.dashboard_json).mosaicLayout.tiles :
    "${try(tile.xPos, 0)} ${try(tile.yPos, 0)}"])) == length(jsondecode(google_monitoring_dashboard.overview.dashboard_json).mosaicLayout.tiles)
    error_message = "Every tile must have a position of its own."
  }
}

run "disk_of_the_database_may_grow" {
  command = plan

  assert {
    # A fixed size plans to shrink the disk once it has grown, which replaces the instance.
    condition     = length(regexall("disk_size\\s*=", run.configuration.text)) == 0 && google_sql_database_instance.mlflow.settings[0].disk_autoresize
    error_message = "The database must have no fixed disk size besides the automatic growth."
  }
}

run "database_is_destroyed_with_its_instance" {
  command = plan

  assert {
    # PostgreSQL does not drop a database while a user owns tables in it.
    condition     = google_sql_database.mlflow.deletion_policy == "ABANDON"
    error_message = "Terraform must leave the deletion of the database to that of its instance."
  }
}

run "datasets_have_no_owner_besides_the_project" {
  command = plan

  assert {
    # Without `access`, BigQuery makes the creator an owner, and the editors and viewers of the
    # project writers and readers.
    condition = alltrue([for dataset in google_bigquery_dataset.dataset : length(dataset.access) == 1 &&
    alltrue([for access in dataset.access : access.role == "OWNER" && access.special_group == "projectOwners"])])
    error_message = "The only owner of a new dataset must be the owners of the project."
  }
  assert {
    # Later grants are members of the dataset, which this block would remove.
    condition     = length(regexall("(?s)resource \"google_bigquery_dataset\" \"dataset\" {.*?\n  lifecycle {\\s*ignore_changes = \\[access\\]", run.configuration.text)) == 1
    error_message = "Terraform must ignore later changes of `access`, because the grants of google_bigquery_dataset_iam_member are part of it."
  }
}
