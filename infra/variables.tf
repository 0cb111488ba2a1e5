variable "alert_email" {
  description = "The address that receives alerts. Use a mailing list, so that alerts do not depend on one person."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "alert_email must be an email address."
  }
}

variable "billing_account" {
  description = "The billing account of the project, for a budget. null for none."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account must be the id of a billing account, for example 01ABCD-234567-89EF01."
  }
}

variable "budget" {
  description = "The budget of a month, in the currency of the billing account. Used if billing_account is set."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.budget >= 1 && floor(var.budget) == var.budget
    error_message = "budget must be a whole number of at least 1."
  }
}

variable "deployer" {
  description = "The service account that terraform impersonates, which bootstrap.sh creates. null to use your own credentials."
  type        = string
  default     = null

  validation {
    condition     = var.deployer == null || can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", var.deployer))
    error_message = "deployer must be a service account, NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "environment" {
  description = "The environment: `dev`, which can be destroyed, or `prod`, which is protected."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment must be dev or prod."
  }
}

variable "fine_tune" {
  description = "Overrides of the default fine-tuning recipe, as JSON: the value of the setting FINE_TUNE."
  type        = string
  default     = "{}"
  nullable    = false

  validation {
    condition     = can(keys(jsondecode(var.fine_tune)))
    error_message = "fine_tune must be a JSON object."
  }
}

variable "github_ref" {
  description = "The branch or tag on GitHub whose jobs may deploy."
  type        = string
  default     = "refs/heads/main"
  nullable    = false

  validation {
    condition     = can(regex("^refs/(heads|tags)/[A-Za-z0-9._/-]+$", var.github_ref))
    error_message = "github_ref must be a full name, for example refs/heads/main."
  }
}

variable "github_repository" {
  description = "The repository on GitHub whose jobs may deploy, OWNER/NAME. null for none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be OWNER/NAME."
  }
}

variable "image_digests" {
  description = "The digests of the images, by name, as written by digests.sh. An image without a digest is deployed by its tag."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for digest in values(var.image_digests) : can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "Each digest must be sha256: followed by 64 hexadecimal digits."
  }
}

variable "image_tag" {
  description = "The tag of all images, as printed by `make push`: the commit that they were built from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a valid tag. latest is not allowed, because it does not identify the deployed image and prevents a rollback."
  }
}

variable "log_level" {
  description = "The log filter of the functions, in the syntax of RUST_LOG."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_:=,]+$", var.log_level))
    error_message = "log_level must be a filter, for example `info` or `info,shared=debug`."
  }
}

variable "mlflow_availability" {
  description = "The availability of the MLflow database: ZONAL, or REGIONAL for a standby in a second zone, which costs twice as much."
  type        = string
  default     = "ZONAL"
  nullable    = false

  validation {
    condition     = contains(["ZONAL", "REGIONAL"], var.mlflow_availability)
    error_message = "mlflow_availability must be ZONAL or REGIONAL."
  }
  validation {
    condition     = var.mlflow_availability == "ZONAL" || !contains(["db-f1-micro", "db-g1-small"], var.mlflow_tier)
    error_message = "REGIONAL needs a tier with a processor of its own, for example db-custom-1-3840: the agreement of Cloud SQL on its availability leaves shared processors out."
  }
}

variable "mlflow_database_private_network" {
  description = <<-E
    The network with private services access in which the MLflow database has its only address, as
    projects/PROJECT/global/networks/NAME, and the subnetwork in the region from which MLflow reaches it, as
    projects/PROJECT/regions/REGION/subnetworks/NAME. null for a public address, which accepts connections through
    Google's connectors only.
  E
  type        = object({ network = string, subnetwork = string })
  default     = null

  validation {
    condition = var.mlflow_database_private_network == null || try(
      can(regex("^projects/[a-z0-9.:-]+/global/networks/[a-z0-9-]+$", var.mlflow_database_private_network.network)) &&
      can(regex("^projects/[a-z0-9.:-]+/regions/${var.region}/subnetworks/[a-z0-9-]+$", var.mlflow_database_private_network.subnetwork)),
      false,
    )
    error_message = "network must be projects/PROJECT/global/networks/NAME, and subnetwork projects/PROJECT/regions/REGION/subnetworks/NAME in the region of this environment."
  }
}

variable "mlflow_tier" {
  description = "The machine type of the MLflow database. The smallest is sufficient for one model version per week."
  type        = string
  default     = "db-f1-micro"
  nullable    = false

  validation {
    condition     = can(regex("^db-", var.mlflow_tier))
    error_message = "mlflow_tier must be a Cloud SQL tier, for example db-f1-micro or db-custom-1-3840."
  }
}

variable "notifications" {
  description = "Whether functions post the verdict of each week and new dead letters to the chat in the secret notify-webhook. Add a version of the secret first, with `infra/secrets.sh PROJECT webhook`. The network of the functions then reaches the internet through a NAT."
  type        = bool
  default     = false
  nullable    = false
}

variable "open_data_url" {
  description = "The open data service that publishes the counts: the value of the setting OPEN_DATA_URL."
  type        = string
  default     = "https://opendata.paris.fr"
  nullable    = false

  validation {
    condition     = startswith(var.open_data_url, "https://")
    error_message = "open_data_url must start with https://."
  }
}

variable "operators" {
  description = "IAM members that train, retrain, read status and logs, roll back, replay and request days, for example `group:on-call@example.com`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(group|serviceAccount|user):[^@]+@.+$", member))])
    error_message = "Each member must be group:, user: or serviceAccount: followed by an address. Public members are not allowed."
  }
}

variable "otel_endpoint" {
  description = "The collector of traces that functions export to with OTLP over HTTP: the value of the setting OTEL_EXPORTER_OTLP_ENDPOINT, for example https://telemetry.googleapis.com. null for no traces."
  type        = string
  default     = null

  validation {
    condition     = var.otel_endpoint == null || can(regex("^https?://[a-z0-9.-]+(:[0-9]+)?(/|$)", var.otel_endpoint))
    error_message = "otel_endpoint must start with http:// or https://, for example https://telemetry.googleapis.com."
  }
}

variable "policy" {
  description = "Overrides of the default policy parameters, as JSON: the value of the setting POLICY."
  type        = string
  default     = "{}"
  nullable    = false

  validation {
    condition     = can(keys(jsondecode(var.policy)))
    error_message = "policy must be a JSON object."
  }
}

variable "predict_callers" {
  description = "IAM members that may call POST /v1/predict from outside the project. If empty, predict is reachable only from within the project."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.predict_callers : can(regex("^(group|serviceAccount|user):[^@]+@.+$", member))])
    error_message = "Each member must be group:, user: or serviceAccount: followed by an address. Public members are not allowed."
  }
}

variable "project_id" {
  description = "The project id. A project holds exactly one environment, because topics, datasets and the model have fixed names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be 6 to 30 lowercase ASCII alphanumerics and hyphens."
  }
}

variable "raw_days" {
  description = "The retention of raw copies of the open data, in days. The counts remain in the daily tables."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.raw_days >= 30 && floor(var.raw_days) == var.raw_days
    error_message = "raw_days must be a whole number of at least 30: raw copies move to a cheaper storage class after 30 days."
  }
}

variable "region" {
  description = "The region of all resources: functions, bucket, datasets (the value of the setting BQ_LOCATION), database and images."
  type        = string
  default     = "europe-west1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region, for example europe-west1, because BigQuery loads only from buckets in the same location."
  }
}

variable "seasonal_adaptations" {
  description = <<-E
    Fine-tuning without drift, at times when the traffic changes: the reason of each request, by its schedule in Paris
    time. A schedule is in the syntax of cron or of App Engine, as in `1st monday of sep 07:00`. Cron runs a job on each
    day that matches the day of the month or the day of the week, so it cannot express the first Monday of a month.
  E
  type        = map(string)
  default     = { "1st monday of sep 07:00" = "la rentrée: schools and offices are open again" }
  nullable    = false

  validation {
    # Five fields that begin with a number or a symbol of cron; other schedules have words.
    condition     = alltrue([for schedule in keys(var.seasonal_adaptations) : !can(regex("^[0-9*/,-]+ [0-9*/,-]+ [^ *]+ [^ ]+ [^ *]+$", schedule))])
    error_message = "A cron schedule must not restrict both the day of the month and the day of the week: it would run on each day that matches either. Write, for example, `1st monday of sep 07:00`."
  }
  validation {
    # The limit of the event.
    condition     = alltrue([for reason in values(var.seasonal_adaptations) : can(regex("^[^[:cntrl:]]{1,500}$", trimspace(reason)))])
    error_message = "Each reason must have 1 to 500 characters on one line."
  }
}

variable "secret_generation" {
  description = "The generation of the secrets. Raise it by one after secrets.sh has added a version: services then restart with the new secrets."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.secret_generation >= 1 && floor(var.secret_generation) == var.secret_generation
    error_message = "secret_generation must be a whole number of at least 1."
  }
}

variable "subnet_range" {
  description = "The IP range of the functions in the network. Each instance takes up to two addresses, and during a deployment the instances of two revisions run. An address stays in use for twenty minutes after its instance."
  type        = string
  default     = "10.8.0.0/24"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.subnet_range, 0)) && try(tonumber(split("/", var.subnet_range)[1]) <= 26, false)
    error_message = "subnet_range must have at least 64 addresses, which is the minimum of Cloud Run, for example 10.8.0.0/24."
  }
}
