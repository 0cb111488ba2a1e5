# Validation of the variables of the module `mlflow-endpoint`.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  server          = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  invoker_members = ["group:on-call@example.com"]
  name            = "mlflow"
}

run "variables_with_valid_values_are_accepted" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }
}

run "variables_with_invalid_values_are_rejected" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }

  variables {
    server          = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "/tmp", database_secret = "mlflow-database", generation = 1 }
    invoker_members = ["allUsers"]
    name            = "MLflow"
  }

  expect_failures = [
    var.server,
    var.invoker_members,
    var.name,
  ]
}

run "server_with_invalid_region_is_rejected" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }

  variables {
    server = { project_id = "a-project", region = "EU", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  }

  expect_failures = [var.server]
}

run "image_without_tag_is_rejected" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }

  variables {
    server = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  }

  expect_failures = [var.server]
}

run "member_instead_of_service_account_is_rejected" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }

  variables {
    server = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "serviceAccount:mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  }

  expect_failures = [var.server]
}

run "instance_without_project_is_rejected" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }

  variables {
    server = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  }

  expect_failures = [var.server]
}

run "secret_path_instead_of_id_is_rejected" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }

  variables {
    server = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "projects/a-project/secrets/mlflow-database", generation = 1 }
  }

  expect_failures = [var.server]
}

run "fractional_generation_is_rejected" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }

  variables {
    server = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 0.5 }
  }

  expect_failures = [var.server]
}

run "endpoint_without_invokers_is_rejected" {
  command = plan
  module {
    source = "./modules/mlflow-endpoint"
  }

  variables {
    invoker_members = []
  }

  expect_failures = [var.invoker_members]
}
