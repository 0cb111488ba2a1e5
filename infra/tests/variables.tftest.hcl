# Validation of the root variables.

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

run "variables_have_description_type_and_validation" {
  command = plan

  assert {
    condition     = length(regexall("variable \"", run.configuration.text)) == length(run.configuration.variables)
    error_message = "This test must find every variable."
  }
  assert {
    # Every bool is valid.
    condition = alltrue([for body in values(run.configuration.variables) :
    length(regexall("\n  description = ", body)) == 1 && length(regexall("\n  type +=", body)) == 1 && length(regexall("\n  validation \\{|\n  type +=(?: bool)", body)) > 0])
    error_message = "Every variable must have a description, a type and, unless it is a bool, a validation."
  }
}

run "variables_with_invalid_values_are_rejected" {
  command = plan

  variables {
    alert_email       = "nobody"
    billing_account   = "billingAccounts/1"
    budget            = 0.5
    deployer          = "terraform"
    environment       = "staging"
    fine_tune         = "[]"
    image_tag         = "latest"
    log_level         = "INFO!"
    mlflow_tier       = "small"
    open_data_url     = "http://opendata.paris.fr"
    operators         = ["allAuthenticatedUsers"]
    otel_endpoint     = "localhost:4318"
    policy            = "0.5"
    predict_callers   = ["allUsers"]
    project_id        = "A"
    raw_days          = 29
    region            = "europe"
    secret_generation = 1.5
    subnet_range      = "10.8.0.0/27"
    # Each day from the first to the seventh, and each Monday of September.
    seasonal_adaptations = { "0 7 1-7 9 1" = "la rentrée" }
  }

  expect_failures = [
    var.alert_email,
    var.billing_account,
    var.budget,
    var.deployer,
    var.environment,
    var.fine_tune,
    var.image_tag,
    var.log_level,
    var.mlflow_tier,
    var.open_data_url,
    var.operators,
    var.otel_endpoint,
    var.policy,
    var.predict_callers,
    var.project_id,
    var.raw_days,
    var.region,
    var.seasonal_adaptations,
    var.secret_generation,
    var.subnet_range,
  ]
}

run "seasonal_adaptations_without_a_reason_are_rejected" {
  command = plan

  variables {
    seasonal_adaptations = { "0 7 1 9 *" = " " }
  }

  expect_failures = [var.seasonal_adaptations]
}

run "private_subnetwork_of_another_region_is_rejected" {
  command = plan

  variables {
    mlflow_database_private_network = {
      network    = "projects/a-project/global/networks/ours"
      subnetwork = "projects/a-project/regions/us-east1/subnetworks/ours"
    }
  }

  expect_failures = [var.mlflow_database_private_network]
}

run "name_of_a_private_network_without_its_project_is_rejected" {
  command = plan

  variables {
    mlflow_database_private_network = { network = "ours", subnetwork = "projects/a-project/regions/europe-west1/subnetworks/ours" }
  }

  expect_failures = [var.mlflow_database_private_network]
}

run "unknown_availability_is_rejected" {
  command = plan

  variables {
    mlflow_availability = "GLOBAL"
    mlflow_tier         = "db-custom-1-3840"
  }

  expect_failures = [var.mlflow_availability]
}

run "standby_of_a_shared_processor_is_rejected" {
  command = plan

  variables {
    mlflow_availability = "REGIONAL"
  }

  expect_failures = [var.mlflow_availability]
}

run "budget_is_off_without_a_billing_account" {
  command = plan

  assert {
    condition     = length(google_billing_budget.project) == 0
    error_message = "Without a billing account there must be no budget."
  }
}

run "budget_covers_the_project_and_reaches_the_address" {
  variables {
    billing_account = "01ABCD-234567-89EF01"
    budget          = 40
  }

  assert {
    condition = (
      toset(google_billing_budget.project[0].budget_filter[0].projects) == toset(["projects/123456789012"]) &&
      google_billing_budget.project[0].amount[0].specified_amount[0].units == "40" &&
      google_billing_budget.project[0].all_updates_rule[0].monitoring_notification_channels == tolist([google_monitoring_notification_channel.email.name])
    )
    error_message = "The budget must cover this project only and notify the channel of the alerts."
  }
  assert {
    condition     = anytrue([for rule in google_billing_budget.project[0].threshold_rules : rule.spend_basis == "FORECASTED_SPEND"])
    error_message = "The budget must notify before it is spent."
  }
}
