# The pipeline on GitHub: its jobs act as terraform's account with a token of GitHub's, without a
# key. Off without a repository. docs/pipeline.md describes the workflows.

locals {
  # The repository, where the account to act as is known, too.
  pipelines = var.github_repository == null || var.deployer == null ? toset([]) : toset(["github"])
}

resource "google_iam_workload_identity_pool" "pipeline" {
  for_each = local.pipelines

  workload_identity_pool_id = "pipeline"
  display_name              = "bike-traffic pipeline"
  description               = "The jobs that deploy bike-traffic"
}

resource "google_iam_workload_identity_pool_provider" "pipeline" {
  for_each = local.pipelines

  workload_identity_pool_id          = google_iam_workload_identity_pool.pipeline[each.key].workload_identity_pool_id
  workload_identity_pool_provider_id = each.key
  display_name                       = "GitHub"

  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }
  # GitHub issues tokens to every repository. Only jobs of this one, on this branch, are accepted, and
  # only in two environments of GitHub: ENV-plan builds and plans, ENV applies after an approval.
  attribute_condition = join(" && ", [
    "assertion.repository == '${var.github_repository}'",
    "assertion.ref == '${var.github_ref}'",
    "assertion.environment in ['${var.environment}', '${var.environment}-plan']",
  ])

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "pipeline" {
  for_each = local.pipelines

  service_account_id = "projects/${var.project_id}/serviceAccounts/${var.deployer}"
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${google_iam_workload_identity_pool.pipeline[each.key].workload_identity_pool_id}/attribute.repository/${var.github_repository}"
}

# Every command impersonates terraform's account, also in a job that acts as this account already.
resource "google_service_account_iam_member" "pipeline_impersonates" {
  for_each = local.pipelines

  service_account_id = "projects/${var.project_id}/serviceAccounts/${var.deployer}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${var.deployer}"
}
