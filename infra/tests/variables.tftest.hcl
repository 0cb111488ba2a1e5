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
    deployer          = "terraform"
    environment       = "staging"
    fine_tune         = "[]"
    image_tag         = "latest"
    log_level         = "INFO!"
    mlflow_tier       = "small"
    open_data_url     = "http://opendata.paris.fr"
    operators         = ["allAuthenticatedUsers"]
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
    var.deployer,
    var.environment,
    var.fine_tune,
    var.image_tag,
    var.log_level,
    var.mlflow_tier,
    var.open_data_url,
    var.operators,
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
