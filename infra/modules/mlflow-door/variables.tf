variable "door" {
  description = <<-E
    What all doors share: project and region, the image, protection against deletion, the account that the server runs
    as, the database's instance and the secret with its address, where artifacts go, and the generation of the secrets.
  E
  type = object({
    project_id      = string
    region          = string
    image           = string
    protected       = bool
    service_account = string
    instance        = string
    artifacts       = string
    database_secret = string
    generation      = number
  })
  nullable = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.door.project_id)) && can(regex("^[a-z]+-[a-z]+[0-9]+$", var.door.region))
    error_message = "There must be the id of a project, and a region as in europe-west1."
  }
  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[a-z0-9-]+/[a-z0-9-]+/[a-z0-9-]+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.door.image)) && !endswith(var.door.image, ":latest")
    error_message = "The image must be REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG, and not latest."
  }
  validation {
    condition     = can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", var.door.service_account))
    error_message = "It must run as a service account of its own, NAME@PROJECT.iam.gserviceaccount.com."
  }
  validation {
    condition     = can(regex("^[a-z0-9-]+:[a-z0-9-]+:[a-z0-9-]+$", var.door.instance))
    error_message = "The instance must be its connection name, PROJECT:REGION:NAME."
  }
  validation {
    condition     = can(regex("^gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/|$)", var.door.artifacts))
    error_message = "Artifacts must go into a bucket, gs://NAME: an instance's own files are gone with it."
  }
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.door.database_secret))
    error_message = "The secret must be named by its id, not by its value or its path."
  }
  validation {
    condition     = var.door.generation >= 1 && floor(var.door.generation) == var.door.generation
    error_message = "The generation must be a whole number from 1."
  }
}

variable "invoker_members" {
  description = "The IAM members that may call it, where there is no login."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for member in var.invoker_members : can(regex("^(group|serviceAccount|user):[^@]+@.+$", member))])
    error_message = "Each must be group:, user: or serviceAccount: and an address; nobody public."
  }
}

variable "login" {
  description = "The user and the secret with the password that MLflow asks for: then only the project's network reaches it. Null where Cloud Run checks who calls."
  type        = object({ username = string, password_secret = string })

  validation {
    condition     = var.login == null || try(can(regex("^[a-z0-9-]+$", var.login.username)) && can(regex("^[A-Za-z0-9_-]+$", var.login.password_secret)), false)
    error_message = "There must be a user, of small letters, digits and hyphens, and the id of a secret."
  }
  validation {
    condition     = var.login == null || length(var.invoker_members) == 0
    error_message = "Where MLflow asks for a password Cloud Run does not check who calls, so that there can be no invokers."
  }
}

variable "name" {
  description = "The name of the service."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}[a-z0-9]$", var.name))
    error_message = "It must be 2 to 49 lower-case letters, digits and hyphens."
  }
}
