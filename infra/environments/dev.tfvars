# The development environment. Everything in it can be destroyed.
environment = "dev"
project_id  = "bike-traffic-dev"
region      = "europe-west1"
deployer    = "terraform@bike-traffic-dev.iam.gserviceaccount.com"

alert_email = "bike-traffic-dev@example.com"
operators   = ["group:bike-traffic-dev@example.com"]

log_level = "info,shared=debug"
