# Properties of every function, in every environment.

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

run "functions_have_accounts_of_their_own" {
  command = plan

  assert {
    condition     = toset(keys(module.function)) == toset(["ingest", "predict", "drift-check", "fine-tune", "evaluate", "promote"])
    error_message = "Each of the six functions must have a service."
  }
  assert {
    condition     = length(distinct(flatten([for function in module.function : values(function.account_ids)]))) == 12
    error_message = "Each function must have two accounts of its own, one to run and one to push."
  }
  assert {
    condition     = alltrue([for name, function in module.function : function.service.template[0].service_account == "fn-${name}@a-project.iam.gserviceaccount.com"])
    error_message = "Each service must run as its own account."
  }
}

run "latest_revision_receives_all_traffic" {
  command = plan

  assert {
    condition = alltrue([for service in concat(values(module.function)[*].service, [module.mlflow.service]) :
    [for target in service.traffic : "${target.type} ${target.percent}"] == ["TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST 100"]])
    error_message = "A deployment must undo the pinning of a revision."
  }
}

run "settings_match_functions_json" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function : toset([for variable in function.service.template[0].containers[0].env : variable.name]) ==
    setsubtract(concat(local.map.environment, local.functions[name].environment), ["NOTIFY_WEBHOOK", "OTEL_EXPORTER_OTLP_ENDPOINT"])])
    error_message = "Each service must receive exactly the settings that functions.json names, without a webhook and without a collector of traces."
  }
  assert {
    condition     = length(setintersection(toset(flatten(values(local.names))), keys(local.map.not_passed))) == 0
    error_message = "Settings in not_passed of functions.json must not be passed."
  }
  assert {
    condition     = !anytrue([for function in module.function : anytrue([for variable in function.service.template[0].containers[0].env : strcontains(variable.name, "PASSWORD") || strcontains(variable.name, "TOKEN")])])
    error_message = "Functions must fetch tokens of their own account, instead of receiving a password or a token."
  }
  assert {
    condition     = !local.functions["ingest"].mlflow && length(module.function["ingest"].service.template[0].vpc_access) == 0
    error_message = "ingest must reach the internet and not call MLflow."
  }
  assert {
    condition     = alltrue([for name, function in module.function : function.service.template[0].vpc_access[0].egress == "ALL_TRAFFIC" if name != "ingest"])
    error_message = "Functions that call MLflow must use the network."
  }
}

run "push_requests_are_authenticated" {
  command = plan

  assert {
    condition     = alltrue([for name, function in module.function : function.push.push_config[0].oidc_token[0].service_account_email == "push-${name}@a-project.iam.gserviceaccount.com"])
    error_message = "A push must carry a token of the account that may invoke the service."
  }
  assert {
    condition     = alltrue([for function in module.function : contains(function.service.custom_audiences, function.push.push_config[0].oidc_token[0].audience)])
    error_message = "The service must accept the audience of the token."
  }
  assert {
    condition     = length(distinct([for function in module.function : function.push.push_config[0].oidc_token[0].audience])) == 6
    error_message = "A token for one function must not be valid for another."
  }
  assert {
    condition     = alltrue([for function in module.function : function.service.invoker_iam_disabled == false])
    error_message = "Cloud Run must authenticate callers, because it removes the signatures that functions could verify."
  }
  assert {
    condition = alltrue([for function in module.function : alltrue([for subscription in function.pushes :
      { for variable in function.service.template[0].containers[0].env : variable.name => variable.value if startswith(variable.name, "PUSH_") } == {
        PUSH_AUDIENCE        = "cloud-run:${subscription.push_config[0].oidc_token[0].audience}"
        PUSH_SERVICE_ACCOUNT = subscription.push_config[0].oidc_token[0].service_account_email
    }])])
    error_message = "A function must accept events from the account of its push subscriptions only, because a caller of predict could forge them."
  }
  assert {
    condition     = alltrue([for name, function in module.function : toset(function.invokers) == toset(["serviceAccount:push-${name}@a-project.iam.gserviceaccount.com"]) && function.service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" if name != "predict"])
    error_message = "Only Pub/Sub may call a function, and only from within the project."
  }
  assert {
    condition     = contains(module.function["predict"].invokers, "serviceAccount:city-map@another.iam.gserviceaccount.com")
    error_message = "The members in predict_callers must be allowed to call predict."
  }
}

run "push_subscriptions_retry_and_keep_messages" {
  command = plan

  assert {
    condition     = alltrue([for name, function in module.function : function.push.name == name && function.push.topic == "projects/a-project/topics/${local.functions[name].inputs[0]}"])
    error_message = "A push subscription must have the name of its function and read the function's first input topic."
  }
  assert {
    condition     = alltrue([for name, function in module.function : function.pushes[*].topic == [for topic in local.functions[name].inputs : "projects/a-project/topics/${topic}"] && function.pushes[*].name == local.subscriptions[name]])
    error_message = "A function must have a push subscription to each of its input topics."
  }
  assert {
    condition     = module.function["fine-tune"].pushes[1].name == "fine-tune-requested" && module.function["fine-tune"].pushes[1].push_config[0].oidc_token[0].service_account_email == "push-fine-tune@a-project.iam.gserviceaccount.com"
    error_message = "The second subscription must have the name of its topic and push as the function's account."
  }
  assert {
    condition     = alltrue([for function in module.function : function.push.ack_deadline_seconds == 600 && tonumber(trimsuffix(function.service.template[0].timeout, "s")) < 600])
    error_message = "A service must respond before the acknowledgement deadline of its subscription."
  }
  assert {
    condition     = alltrue([for function in module.function : function.push.retry_policy[0].minimum_backoff == "10s" && function.push.retry_policy[0].maximum_backoff == "600s"])
    error_message = "The backoff must grow from 10 s to 600 s, as `bike-traffic` configures it on emulators."
  }
  assert {
    # The minimum duration of all attempts: each backoff is at least the minimum.
    condition     = alltrue([for function in module.function : (function.push.dead_letter_policy[0].max_delivery_attempts - 1) * 10 > 60])
    error_message = "All attempts together must outlast the ledger's lease of 60 s."
  }
  assert {
    condition     = alltrue([for function in module.function : function.push.retain_acked_messages && function.push.message_retention_duration == "604800s" && function.push.expiration_policy[0].ttl == ""])
    error_message = "A push subscription must retain acknowledged messages for a week and never expire."
  }
}

run "dead_letters_are_retained_for_a_week" {
  command = plan

  assert {
    condition     = alltrue([for name, function in module.function : function.dead_letters.name == "${name}-dead-letter" && function.push.dead_letter_policy[0].dead_letter_topic == "projects/a-project/topics/${function.dead_letters.topic}"])
    error_message = "The dead-letter topic must have a subscription that stores the dead letters."
  }
  assert {
    condition     = alltrue([for function in module.function : function.dead_letters.message_retention_duration == "604800s" && function.dead_letters.expiration_policy[0].ttl == ""])
    error_message = "The dead-letter subscription must retain messages for a week and never expire."
  }
  assert {
    condition     = alltrue([for function in module.function : length(function.dead_letters.push_config) == 0])
    error_message = "The dead-letter subscription must be a pull subscription."
  }
}

run "topics_retain_messages_for_a_week" {
  command = plan

  assert {
    condition     = alltrue([for topic in google_pubsub_topic.event : topic.message_retention_duration == "604800s"])
    error_message = "Topics must retain messages for seven days, because `bike-traffic replay` reads them."
  }
  assert {
    condition     = length(google_pubsub_topic.event) == 8
    error_message = "There must be eight event topics."
  }
}

run "schedules_publish_requests_in_paris_time" {
  command = plan

  assert {
    condition     = google_cloud_scheduler_job.request["ingest"].schedule == "0 6 * * *" && google_cloud_scheduler_job.request["drift-check"].schedule == "0 7 * * 1-3"
    error_message = "Ingest must run daily at 6:00, and the drift check from Monday to Wednesday at 7:00."
  }
  assert {
    condition     = alltrue([for job in google_cloud_scheduler_job.request : job.time_zone == "Europe/Paris"])
    error_message = "Schedules must use the time zone Europe/Paris."
  }
  assert {
    condition     = base64decode(google_cloud_scheduler_job.request["ingest"].pubsub_target[0].data) == "{\"type\":\"ingest-requested\"}"
    error_message = "A request must be an event of the input topic."
  }
  assert {
    condition     = base64decode(google_cloud_scheduler_job.request["drift-check"].pubsub_target[0].data) == "{\"type\":\"drift-check-requested\"}"
    error_message = "A request must be an event of the input topic."
  }
}

run "seasonal_adaptations_request_fine_tuning" {
  command = plan

  assert {
    condition     = [for job in google_cloud_scheduler_job.adaptation : "${job.schedule} ${job.time_zone}"] == ["1st monday of sep 07:00 Europe/Paris"]
    error_message = "By default, la rentrée must be adapted to on the first Monday of September."
  }
  assert {
    condition = alltrue([for job in google_cloud_scheduler_job.adaptation : job.pubsub_target[0].topic_name == "projects/a-project/topics/fine-tune-requested" &&
    jsondecode(base64decode(job.pubsub_target[0].data)) == { type = "fine-tune-requested", reason = job.description }])
    error_message = "A request must be an event of its topic, with the reason."
  }
}

run "each_seasonal_adaptation_has_a_job" {
  command = plan

  variables {
    seasonal_adaptations = {
      "0 7 15 7 *"                = "summer holidays"
      "first monday of nov 07:00" = "after the autumn holidays"
    }
  }

  assert {
    condition     = toset([for job in google_cloud_scheduler_job.adaptation : job.schedule]) == toset(["0 7 15 7 *", "first monday of nov 07:00"])
    error_message = "Each schedule must have a job."
  }
}

run "functions_reach_no_chat_by_default" {
  command = plan

  assert {
    condition     = length(google_compute_router_nat.internet) == 0 && length(google_compute_router.internet) == 0
    error_message = "The network must have no way to the internet."
  }
  assert {
    condition     = !anytrue([for function in module.function : contains(keys(function.roles), "secret notify-webhook")])
    error_message = "Functions must not read the webhook."
  }
}

run "functions_export_traces_to_the_collector" {
  command = plan

  variables {
    otel_endpoint = "https://telemetry.googleapis.com"
  }

  assert {
    condition = alltrue([for function in module.function :
    [for variable in function.service.template[0].containers[0].env : variable.value if variable.name == "OTEL_EXPORTER_OTLP_ENDPOINT"] == ["https://telemetry.googleapis.com"]])
    error_message = "Each function must receive the address of the collector."
  }
}

run "functions_with_notifications_reach_a_chat" {
  command = plan

  variables {
    notifications = true
  }

  assert {
    condition     = alltrue([for function in module.function : contains([for variable in function.service.template[0].containers[0].env : variable.name], "NOTIFY_WEBHOOK")])
    error_message = "Each function must receive the webhook."
  }
  assert {
    condition     = alltrue([for function in module.function : alltrue([for variable in function.service.template[0].containers[0].env : variable.value == null && length(variable.value_source) == 1 if variable.name == "NOTIFY_WEBHOOK"])])
    error_message = "The webhook must come from Secret Manager."
  }
  assert {
    condition     = length(google_compute_router_nat.internet) == 1
    error_message = "Functions in the network need a NAT to reach a chat."
  }
}
