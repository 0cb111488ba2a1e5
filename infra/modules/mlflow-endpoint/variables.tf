variable "invoker_members" {
  description = "The IAM members that may call the endpoint."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.invoker_members) > 0 && alltrue([for member in var.invoker_members : can(regex("^(group|serviceAccount|user):[^@]+@.+$", member))])
    error_message = "There must be a member, and each must be group:, user: or serviceAccount: followed by an address. Public members are not allowed."
  }
}

variable "name" {
  description = "The name of the service."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 49 lowercase ASCII alphanumerics and hyphens."
  }
}

variable "server" {
  description = <<-E
    Settings of the server:
    - project_id, region: location of the service
    - private_network: network and subnetwork from which the server reaches a database with a private address; null for
      a public address
    - image: image of the MLflow server, with its tag or digest
    - protected: protects the service from deletion by terraform
    - service_account: account that the server runs as
    - instance: connection name of the database instance
    - artifacts: URL of the artifacts, gs://NAME
    - database_secret: id of the secret with the URL of the database
    - generation: generation of the secrets; a new value restarts the instances
  E
  type = object({
    project_id      = string
    private_network = optional(object({ network = string, subnetwork = string }))
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
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.server.project_id)) && can(regex("^[a-z]+-[a-z]+[0-9]+$", var.server.region))
    error_message = "project_id must be a project id, and region a region, for example europe-west1."
  }
  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[a-z0-9-]+/[a-z0-9-]+/[a-z0-9-]+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$", var.server.image)) && !endswith(var.server.image, ":latest")
    error_message = "image must be REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG or NAME@DIGEST. The tag latest is not allowed."
  }
  validation {
    condition     = can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", var.server.service_account))
    error_message = "service_account must be NAME@PROJECT.iam.gserviceaccount.com."
  }
  validation {
    condition     = can(regex("^[a-z0-9-]+:[a-z0-9-]+:[a-z0-9-]+$", var.server.instance))
    error_message = "instance must be a connection name, PROJECT:REGION:NAME."
  }
  validation {
    condition     = can(regex("^gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/|$)", var.server.artifacts))
    error_message = "artifacts must be a bucket, gs://NAME: local files are lost when the instance stops."
  }
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.server.database_secret))
    error_message = "database_secret must be the id of a secret, not its value or its path."
  }
  validation {
    condition     = var.server.generation >= 1 && floor(var.server.generation) == var.server.generation
    error_message = "generation must be a whole number of at least 1."
  }
}
