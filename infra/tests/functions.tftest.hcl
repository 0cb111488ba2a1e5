# What holds for every function, whatever the environment.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  environment     = "dev"
  project_id      = "a-project"
  image_tag       = "0123abc"
  alert_email     = "on-call@example.com"
  operators       = ["group:on-call@example.com"]
  predict_callers = ["serviceAccount:city-map@another.iam.gserviceaccount.com"]
}

run "six_functions_with_an_account_of_their_own" {
  command = plan

  assert {
    condition     = toset(keys(module.function)) == toset(["ingest", "predict", "drift-check", "fine-tune", "evaluate", "promote"])
    error_message = "There must be a service for each of the six functions."
  }
  assert {
    condition     = length(distinct(flatten([for function in module.function : values(function.account_ids)]))) == 12
    error_message = "No account may serve two functions, nor run a function and push to it."
  }
  assert {
    condition     = alltrue([for name, function in module.function : function.service.template[0].service_account == "fn-${name}@a-project.iam.gserviceaccount.com"])
    error_message = "A service must run as its own account."
  }
}

run "the_latest_revision_serves" {
  command = plan

  assert {
    condition = alltrue([for service in concat(values(module.function)[*].service, [module.mlflow_for_functions.service, module.mlflow_for_operators.service]) :
    [for target in service.traffic : "${target.type} ${target.percent}"] == ["TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST 100"]])
    error_message = "A deployment must bring back whatever was pinned to a revision by hand."
  }
}

run "settings" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function : toset([for variable in function.service.template[0].containers[0].env : variable.name]) ==
    toset(concat(local.map.environment, local.functions[name].environment))])
    error_message = "A service must get the settings that functions.json names, all of them and no others."
  }
  assert {
    condition     = length(setintersection(toset(flatten(values(local.names))), keys(local.map.not_passed))) == 0
    error_message = "What functions.json says is not passed must not be passed."
  }
  assert {
    condition     = alltrue([for function in module.function : alltrue([for variable in function.service.template[0].containers[0].env : variable.value == null && length(variable.value_source) == 1 if strcontains(variable.name, "PASSWORD")])])
    error_message = "A password must come from Secret Manager."
  }
  assert {
    condition     = !contains(local.names["ingest"], "MLFLOW_TRACKING_PASSWORD") && length(module.function["ingest"].service.template[0].vpc_access) == 0
    error_message = "ingest needs the internet, and no login to MLflow."
  }
  assert {
    condition     = alltrue([for name, function in module.function : function.service.template[0].vpc_access[0].egress == "ALL_TRAFFIC" if name != "ingest"])
    error_message = "Whoever calls MLflow must do so through the network."
  }
}

run "push_is_authenticated" {
  command = plan

  assert {
    condition     = alltrue([for name, function in module.function : function.push.push_config[0].oidc_token[0].service_account_email == "push-${name}@a-project.iam.gserviceaccount.com"])
    error_message = "A push must carry a token of the account that may call the service."
  }
  assert {
    condition     = alltrue([for function in module.function : contains(function.service.custom_audiences, function.push.push_config[0].oidc_token[0].audience)])
    error_message = "The token must be for an audience that the service accepts."
  }
  assert {
    condition     = length(distinct([for function in module.function : function.push.push_config[0].oidc_token[0].audience])) == 6
    error_message = "A token for one function must be worth nothing to another."
  }
  assert {
    condition     = alltrue([for function in module.function : function.service.invoker_iam_disabled == false])
    error_message = "Cloud Run must check who calls: the functions do not, PUSH_AUDIENCE being off."
  }
  assert {
    condition     = alltrue([for name, function in module.function : toset(function.invokers) == toset(["serviceAccount:push-${name}@a-project.iam.gserviceaccount.com"]) && function.service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" if name != "predict"])
    error_message = "Nobody but Pub/Sub may call a function, and only from within the project."
  }
  assert {
    condition     = contains(module.function["predict"].invokers, "serviceAccount:city-map@another.iam.gserviceaccount.com")
    error_message = "Those named in predict_callers may call predict."
  }
}

run "delivery" {
  command = plan

  assert {
    condition     = alltrue([for name, function in module.function : function.push.name == name && function.push.topic == "projects/a-project/topics/${local.functions[name].input}"])
    error_message = "A push subscription must have the name of its function and read the function's topic."
  }
  assert {
    condition     = alltrue([for function in module.function : function.push.ack_deadline_seconds == 600 && tonumber(trimsuffix(function.service.template[0].timeout, "s")) < 600])
    error_message = "A service must answer before the deadline of its subscription."
  }
  assert {
    condition     = alltrue([for function in module.function : function.push.retry_policy[0].minimum_backoff == "10s" && function.push.retry_policy[0].maximum_backoff == "600s"])
    error_message = "Pauses must grow from 10 s to 600 s, as `bike-traffic` sets them up on emulators."
  }
  assert {
    # The shortest that all attempts can take: Pub/Sub pauses for the minimum at least.
    condition     = alltrue([for function in module.function : (function.push.dead_letter_policy[0].max_delivery_attempts - 1) * 10 > 60])
    error_message = "All attempts together must outlast the ledger's lease of 60 s."
  }
  assert {
    condition     = alltrue([for function in module.function : function.push.retain_acked_messages && function.push.message_retention_duration == "604800s" && function.push.expiration_policy[0].ttl == ""])
    error_message = "A push subscription must keep what was acknowledged for a week, and never expire."
  }
}

run "dead_letters_are_kept" {
  command = plan

  assert {
    condition     = alltrue([for name, function in module.function : function.dead_letters.name == "${name}-dead-letter" && function.push.dead_letter_policy[0].dead_letter_topic == "projects/a-project/topics/${function.dead_letters.topic}"])
    error_message = "The topic of dead letters must have a subscription, or nobody keeps them."
  }
  assert {
    condition     = alltrue([for function in module.function : function.dead_letters.message_retention_duration == "604800s" && function.dead_letters.expiration_policy[0].ttl == ""])
    error_message = "Dead letters must be kept for a week by a subscription that never expires."
  }
  assert {
    condition     = alltrue([for function in module.function : length(function.dead_letters.push_config) == 0])
    error_message = "Dead letters wait for a person; nobody may push them anywhere."
  }
}

run "topics_keep_a_week" {
  command = plan

  assert {
    condition     = alltrue([for topic in google_pubsub_topic.event : topic.message_retention_duration == "604800s"])
    error_message = "Topics must keep seven days of messages, or `bike-traffic replay` finds nothing."
  }
  assert {
    condition     = length(google_pubsub_topic.event) == 7
    error_message = "There must be the seven topics of events."
  }
}

run "schedules" {
  command = plan

  assert {
    condition     = google_cloud_scheduler_job.request["ingest"].schedule == "0 6 * * *" && google_cloud_scheduler_job.request["drift-check"].schedule == "0 7 * * 1"
    error_message = "Counts are fetched at six each day, drift is checked at seven on Mondays."
  }
  assert {
    condition     = alltrue([for job in google_cloud_scheduler_job.request : job.time_zone == "Europe/Paris"])
    error_message = "Days are days of Paris."
  }
  assert {
    condition     = base64decode(google_cloud_scheduler_job.request["ingest"].pubsub_target[0].data) == "{\"type\":\"ingest-requested\"}"
    error_message = "A request must be an event that the function knows."
  }
  assert {
    condition     = base64decode(google_cloud_scheduler_job.request["drift-check"].pubsub_target[0].data) == "{\"type\":\"drift-check-requested\"}"
    error_message = "A request must be an event that the function knows."
  }
}
