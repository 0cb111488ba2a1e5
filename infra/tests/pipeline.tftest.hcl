# Access of the pipeline, and images by digest.

mock_provider "google" {
  source = "./tests/mock"
}

variables {
  environment = "prod"
  project_id  = "a-project"
  image_tag   = "0123abc"
  alert_email = "on-call@example.com"
  deployer    = "terraform@a-project.iam.gserviceaccount.com"
}

run "pipeline_is_off_without_a_repository" {
  command = plan

  assert {
    condition     = length(google_iam_workload_identity_pool.pipeline) + length(google_service_account_iam_member.pipeline) == 0
    error_message = "Without a repository nothing outside may act as terraform's account."
  }
}

run "pipeline_accepts_one_repository_branch_and_environment" {
  command = plan

  variables {
    github_repository = "an-owner/bike-traffic"
  }

  assert {
    condition = google_iam_workload_identity_pool_provider.pipeline["github"].attribute_condition == (
    "assertion.repository == 'an-owner/bike-traffic' && assertion.ref == 'refs/heads/main' && assertion.environment in ['prod', 'prod-plan']")
    error_message = "Tokens of other repositories, branches and environments must be rejected."
  }
  assert {
    condition     = google_iam_workload_identity_pool_provider.pipeline["github"].oidc[0].issuer_uri == "https://token.actions.githubusercontent.com"
    error_message = "Only tokens of GitHub must be accepted."
  }
  assert {
    condition = (
      google_service_account_iam_member.pipeline["github"].service_account_id == "projects/a-project/serviceAccounts/terraform@a-project.iam.gserviceaccount.com" &&
      google_service_account_iam_member.pipeline["github"].role == "roles/iam.workloadIdentityUser" &&
      google_service_account_iam_member.pipeline["github"].member == "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pipeline/attribute.repository/an-owner/bike-traffic"
    )
    error_message = "Jobs of the repository must act as terraform's account only."
  }
  assert {
    condition = (
      google_service_account_iam_member.pipeline_impersonates["github"].service_account_id == "projects/a-project/serviceAccounts/terraform@a-project.iam.gserviceaccount.com" &&
      google_service_account_iam_member.pipeline_impersonates["github"].member == "serviceAccount:terraform@a-project.iam.gserviceaccount.com"
    )
    error_message = "Terraform's account must impersonate itself only."
  }
}

run "repository_without_owner_is_rejected" {
  command = plan

  variables {
    github_ref        = "main"
    github_repository = "bike-traffic"
  }

  expect_failures = [var.github_ref, var.github_repository]
}

run "images_are_deployed_by_digest" {
  command = plan

  variables {
    image_digests = { for name in ["drift-check", "evaluate", "fine-tune", "ingest", "mlflow", "predict", "promote"] : name => "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }

  assert {
    condition = alltrue([for service in concat(values(module.function)[*].service, [module.mlflow.service]) :
    endswith(service.template[0].containers[0].image, "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")])
    error_message = "Every service must run the image with its digest."
  }
}

run "digest_without_algorithm_is_rejected" {
  command = plan

  variables {
    image_digests = { ingest = "0123456789abcdef" }
  }

  expect_failures = [var.image_digests]
}
