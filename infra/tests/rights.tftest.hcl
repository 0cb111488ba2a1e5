# Who may do what: least rights, on named resources, and nobody public.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  environment = "prod"
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
  operators   = ["group:on-call@example.com"]
  deployer    = "terraform@a-project.iam.gserviceaccount.com"
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
    condition = length(setsubtract(run.configuration.roles, [
      "roles/bigquery.dataEditor",
      "roles/bigquery.dataViewer",
      "roles/bigquery.jobUser",
      "roles/cloudsql.client",
      "roles/iam.serviceAccountOpenIdTokenCreator",
      "roles/iam.serviceAccountUser",
      "roles/pubsub.publisher",
      "roles/pubsub.subscriber",
      "roles/run.invoker",
      "roles/secretmanager.secretAccessor",
      "roles/storage.objectUser",
      "roles/storage.objectViewer",
    ])) == 0
    error_message = "A role is granted that is not on the list. Can a smaller one do?"
  }
}

run "grants_are_known" {
  command = plan

  assert {
    # Each of these is looked at by a test below. What gives rights within another resource is not used at all.
    condition = run.configuration.grants == toset([
      "google_bigquery_dataset_iam_member.operators",
      "google_bigquery_table_iam_member.operators",
      "google_project_iam_member.mlflow_database",
      "google_project_iam_member.operators",
      "google_project_iam_member.operators_jobs",
      "google_pubsub_topic_iam_member.operators",
      "google_secret_manager_secret_iam_member.mlflow",
      "google_service_account_iam_member.deployer",
      "google_storage_bucket_iam_member.mlflow",
      "google_storage_bucket_iam_member.operators",
      "modules/function/google_bigquery_dataset_iam_member.uses",
      "modules/function/google_bigquery_table_iam_member.audits",
      "modules/function/google_cloud_run_v2_service_iam_binding.invokers",
      "modules/function/google_project_iam_member.runs_jobs",
      "modules/function/google_pubsub_subscription_iam_member.dead_letters_of_pubsub",
      "modules/function/google_pubsub_topic_iam_member.dead_letters_of_function",
      "modules/function/google_pubsub_topic_iam_member.dead_letters_of_pubsub",
      "modules/function/google_pubsub_topic_iam_member.publishes",
      "modules/function/google_secret_manager_secret_iam_member.reads",
      "modules/function/google_service_account_iam_member.deployer",
      "modules/function/google_service_account_iam_member.push_tokens",
      "modules/function/google_storage_bucket_iam_member.reads",
      "modules/function/google_storage_bucket_iam_member.writes",
      "modules/mlflow-door/google_cloud_run_v2_service_iam_binding.invokers",
    ])
    error_message = "There is a right that these tests do not know, or one of those they know is gone."
  }
  assert {
    condition     = length(regexall("\\baccess\\s*{|predefined_acl|authorized_networks", run.configuration.text)) == 0
    error_message = "Rights are given by IAM, each in a resource of its own."
  }
}

run "functions" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function : function.roles == merge(
      { for topic in local.functions[name].publishes : "topic ${topic}" => "roles/pubsub.publisher" },
      { for dataset, need in local.functions[name].tables : "dataset ${dataset}" => need == "write" ? "roles/bigquery.dataEditor" : "roles/bigquery.dataViewer" },
      { for secret in name == "ingest" ? [] : ["mlflow-password"] : "secret ${secret}" => "roles/secretmanager.secretAccessor" },
      {
        "bucket a-project-bike-traffic"              = "roles/storage.objectViewer"
        "bucket a-project-bike-traffic, own objects" = "roles/storage.objectUser"
        "dead letters"                               = "roles/pubsub.publisher"
        "project"                                    = "roles/bigquery.jobUser"
        "table logs"                                 = "roles/bigquery.dataEditor"
      },
    )])
    error_message = "A function's account must have the roles that follow from functions.json, and no others."
  }
  assert {
    condition     = alltrue([for name, function in module.function : function.members == toset(["serviceAccount:fn-${name}@a-project.iam.gserviceaccount.com"])])
    error_message = "A function's rights are for its own account alone."
  }
  assert {
    condition = alltrue([for function in module.function : function.pubsub_roles == {
      "dead letters" = "roles/pubsub.publisher"
      "push"         = "roles/pubsub.subscriber"
      "push account" = "roles/iam.serviceAccountOpenIdTokenCreator"
    }])
    error_message = "Pub/Sub must be able to pass dead letters on and to make tokens for pushes, and no more."
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
    # Besides these two, jobs of operators and the project's own roles for them; see grants_are_known.
    condition = toset(concat(values(google_project_iam_member.operators_jobs)[*].role, values(google_project_iam_member.operators)[*].role)) == toset([
      "roles/bigquery.jobUser",
      "projects/a-project/roles/bikeTrafficOnCall",
      "projects/a-project/roles/bikeTrafficReplay",
    ])
    error_message = "bootstrap.sh lets terraform hand out four roles on the project, and operators need three of them."
  }
  assert {
    condition     = length(regexall("google_(project|organization)_iam_custom_role", run.configuration.text)) == 0
    error_message = "The project's own roles are made by bootstrap.sh: whoever may change one could add to it whatever he lacks."
  }
}

run "operators" {
  command = plan

  assert {
    condition     = alltrue([for grant in google_bigquery_dataset_iam_member.operators : grant.role == "roles/bigquery.dataViewer"])
    error_message = "Operators read tables; functions write them."
  }
  assert {
    condition     = alltrue([for grant in google_bigquery_table_iam_member.operators : grant.role == "roles/bigquery.dataEditor" && grant.dataset_id == "monitoring_audit" && grant.table_id == "logs"])
    error_message = "The one table that operators write is the audit log."
  }
  assert {
    condition     = alltrue([for grant in google_storage_bucket_iam_member.operators : grant.role == "roles/storage.objectUser" && grant.bucket == "a-project-bike-traffic"])
    error_message = "Operators write baselines, champions and exports, and cannot change the bucket."
  }
  assert {
    condition     = alltrue([for grant in google_pubsub_topic_iam_member.operators : grant.role == "roles/pubsub.publisher" && contains(keys(google_pubsub_topic.event), grant.topic)])
    error_message = "Operators publish to the topics of events."
  }
  assert {
    condition = toset(concat(
      values(google_bigquery_dataset_iam_member.operators)[*].member,
      values(google_bigquery_table_iam_member.operators)[*].member,
      values(google_project_iam_member.operators)[*].member,
      values(google_project_iam_member.operators_jobs)[*].member,
      values(google_pubsub_topic_iam_member.operators)[*].member,
      values(google_storage_bucket_iam_member.operators)[*].member,
      module.mlflow_for_operators.invokers,
    )) == var.operators
    error_message = "The rights of operators are for those in the variable, and for nobody else."
  }
}

run "mlflow" {
  command = plan

  assert {
    condition     = google_storage_bucket_iam_member.mlflow.bucket == "a-project-bike-traffic-mlflow" && google_storage_bucket_iam_member.mlflow.role == "roles/storage.objectUser"
    error_message = "MLflow must write its own bucket, and cannot touch what functions load."
  }
  assert {
    condition = alltrue([for grant in [
      google_project_iam_member.mlflow_database,
      google_secret_manager_secret_iam_member.mlflow["mlflow-database"],
      google_secret_manager_secret_iam_member.mlflow["mlflow-password"],
      google_storage_bucket_iam_member.mlflow,
    ] : grant.member == "serviceAccount:mlflow@a-project.iam.gserviceaccount.com"])
    error_message = "MLflow's rights are for its own account alone."
  }
  assert {
    condition     = alltrue([for grant in google_secret_manager_secret_iam_member.mlflow : grant.role == "roles/secretmanager.secretAccessor"])
    error_message = "MLflow reads its secrets, and cannot change them."
  }
  assert {
    condition     = length(module.mlflow_for_functions.invokers) == 0
    error_message = "Nobody is an invoker of the door that asks for a password."
  }
}

run "deployer" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function : function.deployers == {
      for account in ["fn-${name}", "push-${name}"] :
      "projects/a-project/serviceAccounts/${account}@a-project.iam.gserviceaccount.com" => "roles/iam.serviceAccountUser serviceAccount:terraform@a-project.iam.gserviceaccount.com"
    }])
    error_message = "Terraform's account, and it alone, must be allowed to act as the accounts of what it deploys."
  }
  assert {
    condition     = google_service_account_iam_member.deployer[0].role == "roles/iam.serviceAccountUser" && google_service_account_iam_member.deployer[0].member == "serviceAccount:terraform@a-project.iam.gserviceaccount.com" && google_service_account_iam_member.deployer[0].service_account_id == "projects/a-project/serviceAccounts/mlflow@a-project.iam.gserviceaccount.com"
    error_message = "Terraform's account must be allowed to act as MLflow's."
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
