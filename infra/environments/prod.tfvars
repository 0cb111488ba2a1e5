# The production environment. Terraform refuses to delete its buckets, tables, database and
# services.
environment = "prod"
project_id  = "bike-traffic-prod"
region      = "europe-west1"
deployer    = "terraform@bike-traffic-prod.iam.gserviceaccount.com"

alert_email = "bike-traffic-on-call@example.com"
operators   = ["group:bike-traffic-on-call@example.com"]
