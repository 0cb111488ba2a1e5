# MLflow's service and its database.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  environment = "prod"
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
  operators   = ["group:on-call@example.com"]
}

run "functions_and_people_use_one_service" {
  # An apply, because the URL of a service is unknown at plan time.
  assert {
    condition = alltrue([for function in module.function :
    [for variable in function.service.template[0].containers[0].env : variable.value if variable.name == "MLFLOW_TRACKING_URI"] == [module.mlflow.uri]])
    error_message = "Every function must call the one service, whose URL is the audience of the tokens."
  }
  assert {
    condition     = module.mlflow.service.name == "mlflow" && module.mlflow.service.ingress == "INGRESS_TRAFFIC_ALL"
    error_message = "People must reach the service from their machines."
  }
}

run "server_starts_within_two_minutes" {
  command = plan

  assert {
    condition = alltrue([for probe in module.mlflow.service.template[0].containers[0].startup_probe :
    probe.period_seconds == 5 && probe.failure_threshold == 24 && probe.timeout_seconds <= probe.period_seconds])
    error_message = "MLflow must have 24 probes at intervals of 5 s."
  }
  assert {
    condition = alltrue([for function in module.function : alltrue([for probe in function.service.template[0].containers[0].startup_probe :
    probe.period_seconds * probe.failure_threshold == 120 && probe.timeout_seconds <= probe.period_seconds && probe.http_get[0].path == "/livez"])])
    error_message = "A function must have two minutes to start, without a champion."
  }
}

run "instances_of_two_revisions_fit_into_the_subnetwork" {
  command = plan

  assert {
    # Two addresses for each instance, and two revisions during a deployment, which hold their
    # addresses for twenty minutes.
    condition     = google_compute_subnetwork.functions.ip_cidr_range == "10.8.0.0/24" && 4 * sum([for function in local.functions : function.maximum_instances]) < 256 - 4
    error_message = "The subnetwork must have addresses for all instances of two revisions."
  }
}

run "database_has_a_public_address_for_connectors" {
  command = plan

  assert {
    condition     = google_sql_database_instance.mlflow.settings[0].ip_configuration[0].ipv4_enabled && google_sql_database_instance.mlflow.settings[0].connector_enforcement == "REQUIRED"
    error_message = "Without a network, the database must have a public address that accepts connectors only."
  }
  assert {
    condition     = length(module.mlflow.service.template[0].vpc_access) == 0 && one(module.mlflow.service.template[0].volumes).name == "cloudsql"
    error_message = "Without a network, MLflow must use Cloud Run's connector."
  }
}

run "database_with_a_private_address_has_no_public_one" {
  command = plan

  variables {
    mlflow_database_private_network = {
      network    = "projects/a-network/global/networks/ours"
      subnetwork = "projects/a-network/regions/europe-west1/subnetworks/ours"
    }
  }

  assert {
    condition     = !google_sql_database_instance.mlflow.settings[0].ip_configuration[0].ipv4_enabled && google_sql_database_instance.mlflow.settings[0].ip_configuration[0].private_network == "projects/a-network/global/networks/ours"
    error_message = "The database must have its only address in the network."
  }
  assert {
    condition     = google_sql_database_instance.mlflow.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY" && google_sql_database_instance.mlflow.settings[0].connector_enforcement == "NOT_REQUIRED"
    error_message = "MLflow must be able to connect without a connector, and encrypted only."
  }
  assert {
    condition = (
      length(module.mlflow.service.template[0].volumes) == 0 &&
      module.mlflow.service.template[0].vpc_access[0].egress == "PRIVATE_RANGES_ONLY" &&
      module.mlflow.service.template[0].vpc_access[0].network_interfaces[0].subnetwork == "projects/a-network/regions/europe-west1/subnetworks/ours"
    )
    error_message = "MLflow must reach the database through the subnetwork, and Google's services as before."
  }
}

run "configuration" {
  module {
    source = "./tests/text"
  }
}

run "no_setting_has_a_password_of_mlflow" {
  command = plan

  assert {
    condition     = length(regexall("basic-auth|mlflow-password|MLFLOW_TRACKING_PASSWORD|MLFLOW_TRACKING_USERNAME", run.configuration.text)) == 0
    error_message = "MLflow must have no login of its own."
  }
}
