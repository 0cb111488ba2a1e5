# A budget of the project, where terraform knows the billing account. It sends e-mails and stops
# nothing. Terraform's account needs roles/billing.costsManager on the billing account, which only
# an administrator of the billing account can grant: docs/deploy.md, section "Set a budget".
resource "google_billing_budget" "project" {
  count = var.billing_account == null ? 0 : 1

  billing_account = var.billing_account
  display_name    = "bike-traffic ${var.environment}"

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  amount {
    specified_amount {
      # In the currency of the billing account.
      units = tostring(var.budget)
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }
  threshold_rules {
    threshold_percent = 1
  }
  # Spending that is expected to exceed the budget by the end of the month.
  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [google_monitoring_notification_channel.email.name]
    disable_default_iam_recipients   = true
  }
}
