variable "alert_email" {
  description = "The address that alerts are sent to: a list, so that it outlives the people on it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "It must be an e-mail address."
  }
}

variable "deployer" {
  description = "The service account that terraform acts as, which bootstrap.sh makes; null to act as oneself."
  type        = string
  default     = null

  validation {
    condition     = var.deployer == null || can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", var.deployer))
    error_message = "It must be the address of a service account, NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "environment" {
  description = "What the project is: `dev`, which can be destroyed, or `prod`, which cannot."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "It must be dev or prod."
  }
}

variable "fine_tune" {
  description = "What of the recipe of fine-tuning differs from the default, as JSON: the setting FINE_TUNE."
  type        = string
  default     = "{}"
  nullable    = false

  validation {
    condition     = can(keys(jsondecode(var.fine_tune)))
    error_message = "It must be a JSON object."
  }
}

variable "image_tag" {
  description = "The tag of all images, as `make push` prints it: the commit they were built from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "It must be a tag, and not latest: nobody could say what runs, nor go back to it."
  }
}

variable "log_level" {
  description = "Which logs the functions write, in the syntax of RUST_LOG."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_:=,]+$", var.log_level))
    error_message = "It must be like `info` or `info,shared=debug`."
  }
}

variable "mlflow_tier" {
  description = "The machine of MLflow's database. The smallest suffices for a model with a version a week."
  type        = string
  default     = "db-f1-micro"
  nullable    = false

  validation {
    condition     = can(regex("^db-", var.mlflow_tier))
    error_message = "It must be a tier of Cloud SQL, as in db-f1-micro or db-custom-1-3840."
  }
}

variable "open_data_url" {
  description = "The service that publishes the counts: the setting OPEN_DATA_URL."
  type        = string
  default     = "https://opendata.paris.fr"
  nullable    = false

  validation {
    condition     = startswith(var.open_data_url, "https://")
    error_message = "It must begin with https://."
  }
}

variable "operators" {
  description = "Who trains and retrains, looks at status and logs, rolls back, replays and asks for days, as IAM members: `group:on-call@example.com`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(group|serviceAccount|user):[^@]+@.+$", member))])
    error_message = "Each must be group:, user: or serviceAccount: and an address; nobody public."
  }
}

variable "policy" {
  description = "What of the strategy's numbers differs from the default, as JSON: the setting POLICY."
  type        = string
  default     = "{}"
  nullable    = false

  validation {
    condition     = can(keys(jsondecode(var.policy)))
    error_message = "It must be a JSON object."
  }
}

variable "predict_callers" {
  description = "Who may call POST /v1/predict from outside the project, as IAM members; with none, it is reached from within only."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.predict_callers : can(regex("^(group|serviceAccount|user):[^@]+@.+$", member))])
    error_message = "Each must be group:, user: or serviceAccount: and an address; nobody public."
  }
}

variable "project_id" {
  description = "The project. It holds one environment and nothing else, since topics, datasets and the model have fixed names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "It must be the id of a project: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "raw_days" {
  description = "How many days the raw copies of the open data are kept. The daily tables have the counts themselves."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.raw_days >= 30 && floor(var.raw_days) == var.raw_days
    error_message = "It must be a whole number from 30: they are moved to a cheaper class after 30 days, and deleted after that."
  }
}

variable "region" {
  description = "Where everything is: functions, bucket, datasets (the setting BQ_LOCATION), database and images."
  type        = string
  default     = "europe-west1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "It must be a region, as in europe-west1: BigQuery loads from and to one place only."
  }
}

variable "secret_generation" {
  description = "Raised by one after secrets.sh has made a new version: whatever reads secrets is started anew with them."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.secret_generation >= 1 && floor(var.secret_generation) == var.secret_generation
    error_message = "It must be a whole number from 1."
  }
}

variable "subnet_range" {
  description = "The addresses that functions have in the network, of which each instance takes up to two."
  type        = string
  default     = "10.8.0.0/26"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.subnet_range, 0)) && try(tonumber(split("/", var.subnet_range)[1]) <= 26, false)
    error_message = "It must be a range of 64 addresses at least, as in 10.8.0.0/26: Cloud Run takes no smaller one."
  }
}
