# Who may do what: least rights, on named resources, and nobody public.

mock_provider "google" {}

variables {
  environment = "prod"
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
  operators   = ["group:on-call@example.com"]
}

run "configuration" {
  module {
    source = "./tests/text"
  }
  assert {
    condition     = output.files > 20
    error_message = "The tests must find the configuration that they read."
  }
}

run "roles_are_from_the_list" {
  command = plan

  assert {
    condition = length(setsubtract(regexall("roles/[A-Za-z.]+", run.configuration.text), [
      "roles/bigquery.dataEditor",
      "roles/bigquery.dataViewer",
      "roles/bigquery.jobUser",
      "roles/cloudsql.client",
      "roles/iam.serviceAccountOpenIdTokenCreator",
      "roles/pubsub.publisher",
      "roles/pubsub.subscriber",
      "roles/run.invoker",
      "roles/secretmanager.secretAccessor",
      "roles/storage.objectUser",
      "roles/storage.objectViewer",
    ])) == 0
    error_message = "A role is granted that is not on the list. Can a smaller one do?"
  }
  assert {
    condition     = alltrue([for function in module.function : alltrue([for role in values(function.roles) : startswith(role, "roles/")])])
    error_message = "Functions get predefined roles only."
  }
}

run "project_wide_is_only_what_cannot_be_narrower" {
  command = plan

  assert {
    condition     = alltrue([for function in module.function : function.project_roles == ["roles/bigquery.jobUser"]])
    error_message = "On the project a function may run jobs, and nothing else."
  }
  assert {
    condition     = google_project_iam_member.mlflow_database.role == "roles/cloudsql.client" && strcontains(google_project_iam_member.mlflow_database.condition[0].expression, "resource.name == 'projects/a-project/instances/mlflow'")
    error_message = "MLflow's right to connect must name its own database."
  }
  assert {
    # Grants on the project: jobs of functions and operators, the database of MLflow, replay of operators.
    condition     = length(regexall("resource \"google_project_iam_(?:member|binding|policy)\"", run.configuration.text)) == 4
    error_message = "There is a grant on the project that this test does not know."
  }
  assert {
    condition     = alltrue([for permission in google_project_iam_custom_role.replay.permissions : startswith(permission, "pubsub.") && !strcontains(permission, "IamPolicy") && permission != "pubsub.topics.publish"])
    error_message = "Replay may look at Pub/Sub and set it back; publishing is granted topic by topic."
  }
}

run "nobody_is_public" {
  command = plan

  assert {
    condition     = length(regexall("members?\\s*=[^\n]*all(?:Authenticated)?Users", run.configuration.text)) == 0
    error_message = "Nothing may be granted to everybody."
  }
  assert {
    condition     = alltrue([for bucket in [google_storage_bucket.artifacts, google_storage_bucket.mlflow] : bucket.public_access_prevention == "enforced" && bucket.uniform_bucket_level_access])
    error_message = "Buckets must refuse public grants, and know no rights on single objects."
  }
  assert {
    condition     = alltrue([for function in module.function : length(setintersection(function.invokers, ["allUsers", "allAuthenticatedUsers"])) == 0])
    error_message = "Nobody public may call a function."
  }
  assert {
    condition     = alltrue([for function in module.function : function.service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"])
    error_message = "Without predict_callers no function can be reached from outside."
  }
  assert {
    condition     = module.mlflow_for_functions.service.invoker_iam_disabled && module.mlflow_for_functions.service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "The door of MLflow that asks for a password must be closed to the internet."
  }
  assert {
    condition     = !module.mlflow_for_operators.service.invoker_iam_disabled
    error_message = "The door of MLflow that asks for no password must be guarded by Cloud Run."
  }
  assert {
    condition     = contains([for variable in module.mlflow_for_functions.service.template[0].containers[0].env : variable.name], "MLFLOW_TRACKING_PASSWORD")
    error_message = "The door of MLflow for functions must ask for the password."
  }
  assert {
    condition     = length(google_sql_database_instance.mlflow.settings[0].ip_configuration[0].authorized_networks) == 0 && google_sql_database_instance.mlflow.settings[0].connector_enforcement == "REQUIRED"
    error_message = "The database must be reached through connectors only."
  }
}

run "public_operators_are_refused" {
  command = plan

  variables {
    operators = ["allAuthenticatedUsers"]
  }

  expect_failures = [var.operators]
}

run "public_callers_are_refused" {
  command = plan

  variables {
    predict_callers = ["allUsers"]
  }

  expect_failures = [var.predict_callers]
}

run "objects" {
  command = plan

  assert {
    condition     = alltrue([for name, function in module.function : startswith(function.writes, "resource.name.startsWith('projects/_/buckets/a-project-bike-traffic/objects/ledger/${name}/')")])
    error_message = "A function must write its own part of the ledger, and only that."
  }
  assert {
    condition     = alltrue([for function in module.function : !strcontains(function.writes, "data/train") && !strcontains(function.writes, "objects/data/')") && !strcontains(function.writes, "objects/')") && !strcontains(function.writes, "data/test_baseline.csv") && !strcontains(function.writes, "data/test_baseline')")])
    error_message = "No function may write the baselines."
  }
  assert {
    condition     = [for name, function in module.function : name if strcontains(function.writes, "objects/models/")] == ["fine-tune"]
    error_message = "Only fine-tune makes models."
  }
  assert {
    condition     = !strcontains(module.function["fine-tune"].writes, "objects/models/')") && !strcontains(module.function["fine-tune"].writes, "objects/models/bike-traffic/')")
    error_message = "fine-tune must not be able to overwrite a champion that a person has trained."
  }
}

run "tables" {
  command = plan

  assert {
    condition     = [for name, function in module.function : name if lookup(function.roles, "dataset bike_traffic_raw", "") == "roles/bigquery.dataEditor"] == ["ingest"]
    error_message = "Only ingest writes counts."
  }
  assert {
    condition     = [for name, function in module.function : name if lookup(function.roles, "dataset bike_traffic_predictions", "") == "roles/bigquery.dataEditor"] == ["predict"]
    error_message = "Only predict writes forecasts."
  }
  assert {
    condition     = alltrue([for function in module.function : !contains(keys(function.roles), "dataset monitoring_audit") && function.roles["table logs"] == "roles/bigquery.dataEditor"])
    error_message = "Functions have rights on the table of the audit log, not on its dataset."
  }
}

run "topics" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function :
      toset([for resource in keys(function.roles) : trimprefix(resource, "topic ") if startswith(resource, "topic ")]) == toset(local.functions[name].publishes)
    ])
    error_message = "A function publishes to the topics that functions.json names, and to no others."
  }
}
