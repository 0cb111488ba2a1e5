# Access rights: least privilege, on named resources, with no public access.

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
    error_message = "The tests must find the terraform files."
  }
}

run "roles_are_on_the_allow_list" {
  command = plan

  assert {
    condition = length(setsubtract(run.configuration.roles, [
      "roles/bigquery.dataEditor",
      "roles/bigquery.dataViewer",
      "roles/bigquery.jobUser",
      "roles/cloudsql.client",
      "roles/iam.serviceAccountOpenIdTokenCreator",
      "roles/iam.serviceAccountTokenCreator",
      "roles/iam.serviceAccountUser",
      "roles/iam.workloadIdentityUser",
      "roles/pubsub.publisher",
      "roles/pubsub.subscriber",
      "roles/run.invoker",
      "roles/secretmanager.secretAccessor",
      "roles/storage.objectUser",
      "roles/storage.objectViewer",
    ])) == 0
    error_message = "A granted role is not on the list. Prefer a narrower role, or add it here."
  }
}

run "grants_are_on_the_allow_list" {
  command = plan

  assert {
    # A test below covers each of these grants. Grants inside other resources are not used.
    condition = run.configuration.grants == toset([
      "google_bigquery_dataset_iam_member.operators",
      "google_bigquery_table_iam_member.operators",
      "google_project_iam_member.mlflow_database",
      "google_project_iam_member.operators",
      "google_project_iam_member.operators_jobs",
      "google_pubsub_topic_iam_member.operators",
      "google_secret_manager_secret_iam_member.mlflow",
      "google_service_account_iam_member.deployer",
      "google_service_account_iam_member.operators",
      "google_service_account_iam_member.pipeline",
      "google_service_account_iam_member.pipeline_impersonates",
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
      "modules/mlflow-endpoint/google_cloud_run_v2_service_iam_binding.invokers",
    ])
    error_message = "The grants differ from this list. Add a test for a new grant, then list it here."
  }
  assert {
    # The only block `access` is that of new datasets; empty_plan.tftest.hcl checks its contents.
    condition     = length(regexall("\\baccess\\s*{", run.configuration.text)) == 1 && length(regexall("predefined_acl|authorized_networks", run.configuration.text)) == 0
    error_message = "Access must be granted by separate IAM resources."
  }
}

run "functions_have_the_roles_of_functions_json" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function : function.roles == merge(
      { for topic in local.functions[name].publishes : "topic ${topic}" => "roles/pubsub.publisher" },
      { for dataset, need in local.functions[name].tables : "dataset ${dataset}" => need == "write" ? "roles/bigquery.dataEditor" : "roles/bigquery.dataViewer" },
      {
        "bucket a-project-bike-traffic"              = "roles/storage.objectViewer"
        "bucket a-project-bike-traffic, own objects" = "roles/storage.objectUser"
        "dead letters"                               = "roles/pubsub.publisher"
        "project"                                    = "roles/bigquery.jobUser"
        "table logs"                                 = "roles/bigquery.dataEditor"
      },
    )])
    error_message = "A function's account must have exactly the roles that follow from functions.json."
  }
  assert {
    condition     = alltrue([for name, function in module.function : function.members == toset(["serviceAccount:fn-${name}@a-project.iam.gserviceaccount.com"])])
    error_message = "A function's roles must be granted to its own account only."
  }
  assert {
    condition = alltrue([for function in module.function : function.pubsub_roles == {
      "dead letters" = "roles/pubsub.publisher"
      "push"         = "roles/pubsub.subscriber"
      "push account" = "roles/iam.serviceAccountOpenIdTokenCreator"
    }])
    error_message = "Pub/Sub must have exactly the roles for forwarding dead letters and creating push tokens."
  }
}

run "project_roles_are_limited_to_jobs_sql_and_on_call" {
  command = plan

  assert {
    condition     = alltrue([for function in module.function : function.project_roles == ["roles/bigquery.jobUser"]])
    error_message = "A function must have no project role except bigquery.jobUser."
  }
  assert {
    condition     = google_project_iam_member.mlflow_database.role == "roles/cloudsql.client" && strcontains(google_project_iam_member.mlflow_database.condition[0].expression, "resource.name == 'projects/a-project/instances/mlflow'")
    error_message = "MLflow's role cloudsql.client must be limited to its own database."
  }
  assert {
    # The jobs of operators and their custom roles. For other project grants, see
    # grants_are_on_the_allow_list.
    condition = toset(concat(values(google_project_iam_member.operators_jobs)[*].role, values(google_project_iam_member.operators)[*].role)) == toset([
      "roles/bigquery.jobUser",
      "projects/a-project/roles/bikeTrafficOnCall",
      "projects/a-project/roles/bikeTrafficReplay",
    ])
    error_message = "Operators must have three of the four project roles that bootstrap.sh allows terraform to grant."
  }
  assert {
    condition     = length(regexall("google_(project|organization)_iam_custom_role", run.configuration.text)) == 0
    error_message = "Custom roles must be created by bootstrap.sh: an account that may change a role can add permissions for itself."
  }
}

run "operators_have_read_and_publish_roles" {
  command = plan

  assert {
    condition     = alltrue([for grant in google_bigquery_dataset_iam_member.operators : grant.role == "roles/bigquery.dataViewer"])
    error_message = "Operators must have read access to datasets only."
  }
  assert {
    condition     = alltrue([for grant in google_bigquery_table_iam_member.operators : grant.role == "roles/bigquery.dataEditor" && grant.dataset_id == "monitoring_audit" && grant.table_id == "logs"])
    error_message = "Operators must have write access to the audit log only."
  }
  assert {
    condition     = alltrue([for grant in google_storage_bucket_iam_member.operators : grant.role == "roles/storage.objectUser" && grant.bucket == "a-project-bike-traffic"])
    error_message = "Operators must be able to write objects but not to change the bucket."
  }
  assert {
    condition     = alltrue([for grant in google_pubsub_topic_iam_member.operators : grant.role == "roles/pubsub.publisher" && contains(keys(google_pubsub_topic.event), grant.topic)])
    error_message = "Operators must be able to publish to event topics only."
  }
  assert {
    condition = toset(concat(
      values(google_bigquery_dataset_iam_member.operators)[*].member,
      values(google_bigquery_table_iam_member.operators)[*].member,
      values(google_project_iam_member.operators)[*].member,
      values(google_project_iam_member.operators_jobs)[*].member,
      values(google_pubsub_topic_iam_member.operators)[*].member,
      values(google_service_account_iam_member.operators)[*].member,
      values(google_storage_bucket_iam_member.operators)[*].member,
    )) == var.operators
    error_message = "Operator roles must be granted to exactly the members in operators."
  }
  assert {
    condition = alltrue([for grant in google_service_account_iam_member.operators :
    grant.role == "roles/iam.serviceAccountOpenIdTokenCreator" && grant.service_account_id == "projects/a-project/serviceAccounts/operators@a-project.iam.gserviceaccount.com"])
    error_message = "Operators must be able to create ID tokens of their account, but no access tokens, and of no other account."
  }
}

run "mlflow_has_roles_on_its_own_resources" {
  command = plan

  assert {
    condition     = google_storage_bucket_iam_member.mlflow.bucket == "a-project-bike-traffic-mlflow" && google_storage_bucket_iam_member.mlflow.role == "roles/storage.objectUser"
    error_message = "MLflow must have access to its own bucket only."
  }
  assert {
    condition = alltrue([for grant in [
      google_project_iam_member.mlflow_database,
      google_secret_manager_secret_iam_member.mlflow["mlflow-database"],
      google_storage_bucket_iam_member.mlflow,
    ] : grant.member == "serviceAccount:mlflow@a-project.iam.gserviceaccount.com"])
    error_message = "MLflow's roles must be granted to its own account only."
  }
  assert {
    condition     = alltrue([for grant in google_secret_manager_secret_iam_member.mlflow : grant.role == "roles/secretmanager.secretAccessor"])
    error_message = "MLflow must be able to read its secrets but not to change them."
  }
  assert {
    condition = toset(module.mlflow.invokers) == toset(concat(
      tolist(var.operators),
      ["serviceAccount:operators@a-project.iam.gserviceaccount.com"],
      [for name in ["drift-check", "evaluate", "fine-tune", "predict", "promote"] : "serviceAccount:fn-${name}@a-project.iam.gserviceaccount.com"],
    ))
    error_message = "MLflow must admit the functions that use it, the operators and their account, and nobody else."
  }
}

run "deployer_may_act_as_deployed_accounts_only" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function : function.deployers == {
      for account in ["fn-${name}", "push-${name}"] :
      "projects/a-project/serviceAccounts/${account}@a-project.iam.gserviceaccount.com" => "roles/iam.serviceAccountUser serviceAccount:terraform@a-project.iam.gserviceaccount.com"
    }])
    error_message = "Only terraform's account may act as the accounts of a function."
  }
  assert {
    condition     = google_service_account_iam_member.deployer[0].role == "roles/iam.serviceAccountUser" && google_service_account_iam_member.deployer[0].member == "serviceAccount:terraform@a-project.iam.gserviceaccount.com" && google_service_account_iam_member.deployer[0].service_account_id == "projects/a-project/serviceAccounts/mlflow@a-project.iam.gserviceaccount.com"
    error_message = "Terraform's account must be allowed to act as MLflow's account."
  }
}

run "grants_and_endpoints_exclude_public_access" {
  command = plan

  assert {
    condition     = length(regexall("members?\\s*=[^\n]*all(?:Authenticated)?Users", run.configuration.text)) == 0
    error_message = "No role may be granted to allUsers or allAuthenticatedUsers."
  }
  assert {
    condition     = alltrue([for bucket in [google_storage_bucket.artifacts, google_storage_bucket.mlflow] : bucket.public_access_prevention == "enforced" && bucket.uniform_bucket_level_access])
    error_message = "Buckets must prevent public access and use uniform access."
  }
  assert {
    condition     = alltrue([for function in module.function : length(setintersection(function.invokers, ["allUsers", "allAuthenticatedUsers"])) == 0])
    error_message = "Functions must have no public invokers."
  }
  assert {
    condition     = alltrue([for function in module.function : function.service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"])
    error_message = "Without predict_callers, functions must be reachable only from within the project."
  }
  assert {
    condition     = !module.mlflow.service.invoker_iam_disabled && length(regexall("invoker_iam_disabled\\s*=\\s*(?:true|var)", run.configuration.text)) == 0
    error_message = "Cloud Run must check the callers of every service."
  }
  assert {
    condition     = !anytrue([for variable in module.mlflow.service.template[0].containers[0].env : strcontains(variable.name, "PASSWORD")]) && keys(google_secret_manager_secret.secret) == ["mlflow-database", "notify-webhook"]
    error_message = "There must be no password besides that of the database."
  }
  assert {
    condition     = length(google_sql_database_instance.mlflow.settings[0].ip_configuration[0].authorized_networks) == 0 && google_sql_database_instance.mlflow.settings[0].connector_enforcement == "REQUIRED"
    error_message = "The database must accept connections through connectors only."
  }
}

run "operators_with_a_public_member_are_rejected" {
  command = plan

  variables {
    operators = ["allAuthenticatedUsers"]
  }

  expect_failures = [var.operators]
}

run "predict_callers_with_a_public_member_are_rejected" {
  command = plan

  variables {
    predict_callers = ["allUsers"]
  }

  expect_failures = [var.predict_callers]
}

run "functions_write_their_own_objects_only" {
  command = plan

  assert {
    condition     = alltrue([for name, function in module.function : startswith(function.writes, "resource.name.startsWith('projects/_/buckets/a-project-bike-traffic/objects/ledger/${name}/')")])
    error_message = "A function must write to its own part of the ledger only."
  }
  assert {
    condition     = alltrue([for function in module.function : !strcontains(function.writes, "data/train") && !strcontains(function.writes, "objects/data/')") && !strcontains(function.writes, "objects/')") && !strcontains(function.writes, "data/test_baseline.csv") && !strcontains(function.writes, "data/test_baseline')")])
    error_message = "No function may write baselines."
  }
  assert {
    condition     = [for name, function in module.function : name if strcontains(function.writes, "objects/models/")] == ["fine-tune"]
    error_message = "Only fine-tune may write models."
  }
  assert {
    condition     = !strcontains(module.function["fine-tune"].writes, "objects/models/')") && !strcontains(module.function["fine-tune"].writes, "objects/models/bike-traffic/')")
    error_message = "fine-tune must not be able to overwrite champions that a person has trained."
  }
  assert {
    condition     = alltrue([for function in module.function : strcontains(function.writes, "objects/reports/index.html')")])
    error_message = "Every function must be able to write the on-call page."
  }
}

run "functions_write_their_own_tables_only" {
  command = plan

  assert {
    condition     = [for name, function in module.function : name if lookup(function.roles, "dataset bike_traffic_raw", "") == "roles/bigquery.dataEditor"] == ["ingest"]
    error_message = "Only ingest may write counts."
  }
  assert {
    condition     = [for name, function in module.function : name if lookup(function.roles, "dataset bike_traffic_predictions", "") == "roles/bigquery.dataEditor"] == ["predict"]
    error_message = "Only predict may write forecasts."
  }
  assert {
    condition     = alltrue([for function in module.function : !contains(keys(function.roles), "dataset monitoring_audit") && function.roles["table logs"] == "roles/bigquery.dataEditor"])
    error_message = "Functions must have a role on the audit log table, not on its dataset."
  }
}

run "functions_publish_to_their_output_topics_only" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function :
      toset([for resource in keys(function.roles) : trimprefix(resource, "topic ") if startswith(resource, "topic ")]) == toset(local.functions[name].publishes)
    ])
    error_message = "A function must be able to publish to exactly the topics that functions.json names."
  }
}
