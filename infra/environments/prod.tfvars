# What counts. Being prod it is protected: terraform refuses to delete buckets, tables, the database and services.
environment = "prod"
project_id  = "bike-traffic-prod"
region      = "europe-west1"
deployer    = "terraform@bike-traffic-prod.iam.gserviceaccount.com"

alert_email = "bike-traffic-on-call@example.com"
operators   = ["group:bike-traffic-on-call@example.com"]
