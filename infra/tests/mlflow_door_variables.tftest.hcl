# What the module of a door to MLflow refuses.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  door            = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  invoker_members = []
  login           = { username = "functions", password_secret = "mlflow-password" }
  name            = "mlflow"
}

run "right_values" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }
}

run "wrong_values_are_refused" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    door            = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "/tmp", database_secret = "mlflow-database", generation = 1 }
    invoker_members = ["allUsers"]
    name            = "MLflow"
  }

  expect_failures = [
    var.door,
    var.invoker_members,
    var.name,
  ]
}

run "another_region" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    door = { project_id = "a-project", region = "EU", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  }

  expect_failures = [var.door]
}

run "an_image_without_a_tag" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    door = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  }

  expect_failures = [var.door]
}

run "a_member_instead_of_an_account" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    door = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "serviceAccount:mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  }

  expect_failures = [var.door]
}

run "an_instance_without_its_project" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    door = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 1 }
  }

  expect_failures = [var.door]
}

run "a_path_of_a_secret" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    door = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "projects/a-project/secrets/mlflow-database", generation = 1 }
  }

  expect_failures = [var.door]
}

run "half_a_generation" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    door = { project_id = "a-project", region = "europe-west1", image = "europe-west1-docker.pkg.dev/a-project/bike-traffic/mlflow:0123abc", protected = false, service_account = "mlflow@a-project.iam.gserviceaccount.com", instance = "a-project:europe-west1:mlflow", artifacts = "gs://a-project-bike-traffic-mlflow", database_secret = "mlflow-database", generation = 0.5 }
  }

  expect_failures = [var.door]
}

run "invokers_where_nobody_asks_for_them" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    invoker_members = ["group:on-call@example.com"]
  }

  expect_failures = [var.login]
}

run "a_user_whom_basic_authentication_would_cut" {
  command = plan
  module {
    source = "./modules/mlflow-door"
  }

  variables {
    login = { username = "a:b", password_secret = "mlflow-password" }
  }

  expect_failures = [var.login]
}
