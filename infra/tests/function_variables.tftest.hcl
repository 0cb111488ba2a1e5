# Validation of the variables of the module `function`.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  audit_log     = { dataset = "monitoring_audit", table = "logs" }
  bucket        = "a-project-bike-traffic"
  datasets      = { bike_traffic_raw = "write" }
  environment   = { ENVIRONMENT = "dev" }
  generation    = 1
  image         = "europe-west1-docker.pkg.dev/a-project/bike-traffic/ingest:0123abc"
  input_topics  = ["projects/a-project/topics/ingest-requested"]
  name          = "ingest"
  output_topics = { day-ingested = "projects/a-project/topics/day-ingested" }
  project_id    = "a-project"
  protected     = false
  pubsub_agent  = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
  region        = "europe-west1"
  resources     = { objects = ["raw/"], cpu = "1", memory = "512Mi", timeout_seconds = 540, concurrency = 4, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 50 }
}

run "variables_with_valid_values_are_accepted" {
  command = plan
  module {
    source = "./modules/function"
  }
}

run "variables_with_invalid_values_are_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    audit_log     = { dataset = "a-project.monitoring_audit", table = "logs" }
    bucket        = "gs://a-project-bike-traffic"
    callers       = ["allUsers"]
    datasets      = { bike_traffic_raw = "own" }
    deployer      = "serviceAccount:terraform@a-project.iam.gserviceaccount.com"
    environment   = { PORT = "8080" }
    generation    = 0
    image         = "europe-west1-docker.pkg.dev/a-project/bike-traffic/ingest"
    input_topics  = ["ingest-requested"]
    name          = "In"
    output_topics = { day-ingested = "day-ingested" }
    project_id    = "a project"
    pubsub_agent  = "serviceAccount:service-a-project@gcp-sa-pubsub.iam.gserviceaccount.com"
    region        = "EU"
    resources     = { objects = [""], cpu = "1", memory = "512Mi", timeout_seconds = 540, concurrency = 4, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 50 }
    subnetwork    = { network = "functions", subnetwork = "" }
  }

  expect_failures = [
    var.audit_log,
    var.bucket,
    var.callers,
    var.datasets,
    var.deployer,
    var.environment,
    var.generation,
    var.image,
    var.input_topics,
    var.name,
    var.output_topics,
    var.project_id,
    var.pubsub_agent,
    var.region,
    var.resources,
    var.subnetwork,
  ]
}

run "datasets_of_another_project_are_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    datasets = { "another-project.bike_traffic_raw" = "read" }
  }

  expect_failures = [var.datasets]
}

run "image_with_tag_latest_is_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/ingest:latest"
  }

  expect_failures = [var.image]
}

run "objects_in_the_ledger_are_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    resources = { objects = ["ledger/"], cpu = "1", memory = "512Mi", timeout_seconds = 540, concurrency = 4, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 50 }
  }

  expect_failures = [var.resources]
}

run "objects_prefix_without_folder_is_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    resources = { objects = ["raw"], cpu = "1", memory = "512Mi", timeout_seconds = 540, concurrency = 4, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 50 }
  }

  expect_failures = [var.resources]
}

run "cpu_fraction_is_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    resources = { objects = ["raw/"], cpu = "0.33", memory = "512Mi", timeout_seconds = 540, concurrency = 4, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 50 }
  }

  expect_failures = [var.resources]
}

run "memory_without_unit_is_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    resources = { objects = ["raw/"], cpu = "1", memory = "512", timeout_seconds = 540, concurrency = 4, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 50 }
  }

  expect_failures = [var.resources]
}

run "timeout_of_the_acknowledgement_deadline_is_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    resources = { objects = ["raw/"], cpu = "1", memory = "512Mi", timeout_seconds = 600, concurrency = 4, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 50 }
  }

  expect_failures = [var.resources]
}

run "concurrency_of_zero_is_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    resources = { objects = ["raw/"], cpu = "1", memory = "512Mi", timeout_seconds = 540, concurrency = 0, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 50 }
  }

  expect_failures = [var.resources]
}

run "minimum_instances_above_maximum_are_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    resources = { objects = ["raw/"], cpu = "1", memory = "512Mi", timeout_seconds = 540, concurrency = 4, minimum_instances = 4, maximum_instances = 3, maximum_attempts = 50 }
  }

  expect_failures = [var.resources]
}

run "attempts_that_end_before_the_lease_are_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    resources = { objects = ["raw/"], cpu = "1", memory = "512Mi", timeout_seconds = 540, concurrency = 4, minimum_instances = 0, maximum_instances = 3, maximum_attempts = 7 }
  }

  expect_failures = [var.resources]
}

run "secret_that_is_also_a_plain_setting_is_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    secrets = { ENVIRONMENT = "mlflow-password" }
  }

  expect_failures = [var.secrets]
}

run "secret_path_instead_of_id_is_rejected" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    secrets = { MLFLOW_TRACKING_PASSWORD = "projects/a-project/secrets/mlflow-password" }
  }

  expect_failures = [var.secrets]
}
