variable "audit_log" {
  description = "The audit log table, to which every function adds rows."
  type        = object({ dataset = string, table = string })
  nullable    = false

  validation {
    condition     = alltrue([for name in values(var.audit_log) : can(regex("^\\w+$", name))])
    error_message = "dataset and table must be BigQuery names without the project: ASCII alphanumerics and underscores."
  }
}

variable "bucket" {
  description = "The name of the artifact bucket, which every function may read."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be a bucket name without gs://."
  }
}

variable "callers" {
  description = "IAM members besides Pub/Sub that may call the service. If there are any, the service is reachable from outside the project."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.callers : can(regex("^(group|serviceAccount|user):[^@]+@.+$", member))])
    error_message = "Each member must be group:, user: or serviceAccount: followed by an address. Public members are not allowed."
  }
}

variable "datasets" {
  description = "The datasets that the function uses, with `read`, or with `write` to create and replace tables."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for name, need in var.datasets : can(regex("^\\w+$", name)) && contains(["read", "write"], need)])
    error_message = "Each key must be a dataset name without the project, and each value read or write."
  }
}

variable "deployer" {
  description = "The service account that terraform impersonates. It is allowed to act as the function's accounts. null if a person with that right deploys."
  type        = string
  default     = null

  validation {
    condition     = var.deployer == null || can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", var.deployer))
    error_message = "deployer must be a service account, NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "environment" {
  description = "Settings and their values, passed as environment variables besides those of the push subscription."
  type        = map(string)
  nullable    = false

  validation {
    # https://cloud.google.com/run/docs/container-contract#env-vars
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !contains(["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"], name)])
    error_message = "Each key must be an uppercase setting name that neither Cloud Run nor this module sets itself."
  }
}

variable "generation" {
  description = "The generation of the secrets. A new value restarts the instances with the current secrets."
  type        = number
  nullable    = false

  validation {
    condition     = var.generation >= 1 && floor(var.generation) == var.generation
    error_message = "generation must be a whole number of at least 1."
  }
}

variable "image" {
  description = "The image, with its tag or digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[a-z0-9-]+/[a-z0-9-]+/[a-z0-9-]+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image must be REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG or NAME@DIGEST. The tag latest is not allowed, because it does not identify the deployed image."
  }
}

variable "input_topics" {
  description = "The ids of the topics whose messages are pushed to the function. The subscription of the first one has the name of the function, and the others have that of their topic."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.input_topics) > 0 && alltrue([for topic in var.input_topics : can(regex("^projects/[a-z0-9-]+/topics/[a-z-]+$", topic))])
    error_message = "There must be an input topic, and each must be projects/PROJECT/topics/NAME."
  }
}

variable "name" {
  description = "The name of the function, its service and its first push subscription. The accounts have the same name after a prefix."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 25 lowercase ASCII alphanumerics and hyphens: an account name is limited to 30 characters, including the prefix push-."
  }
}

variable "output_topics" {
  description = "The ids of the topics that the function publishes to, by name."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for topic in values(var.output_topics) : can(regex("^projects/[a-z0-9-]+/topics/[a-z-]+$", topic))])
    error_message = "Each topic must be projects/PROJECT/topics/NAME."
  }
}

variable "project_id" {
  description = "The project id."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be 6 to 30 lowercase ASCII alphanumerics and hyphens."
  }
}

variable "protected" {
  description = "Protects the service from deletion by terraform."
  type        = bool
  nullable    = false
}

variable "pubsub_agent" {
  description = "Pub/Sub's service agent in this project, as an IAM member."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^serviceAccount:service-[0-9]+@gcp-sa-pubsub\\.iam\\.gserviceaccount\\.com$", var.pubsub_agent))
    error_message = "pubsub_agent must be serviceAccount:service-NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com, with the project number instead of the project id."
  }
}

variable "region" {
  description = "The region that the service runs in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region, for example europe-west1."
  }
}

variable "resources" {
  description = <<-E
    The resources of the service and the delivery of its messages:
    - objects: prefixes of the objects that the function writes, besides its part of the ledger
    - cpu, memory: limits of an instance, in Cloud Run's notation
    - timeout_seconds: time limit of a delivery, shorter than the acknowledgement deadline of 600 s
    - concurrency: concurrent deliveries per instance
    - minimum_instances, maximum_instances: limits of scaling
    - maximum_attempts: delivery attempts before a message becomes a dead letter, with a backoff from 10 s to 600 s
  E
  type = object({
    objects           = list(string)
    cpu               = string
    memory            = string
    timeout_seconds   = number
    concurrency       = number
    minimum_instances = number
    maximum_instances = number
    maximum_attempts  = number
  })
  nullable = false

  validation {
    # An empty prefix would match every object. A prefix without a folder would match every name
    # that starts with it.
    condition     = alltrue([for prefix in var.resources.objects : can(regex("^[a-z][a-z-]*/[A-Za-z0-9._/-]*$", prefix)) && !startswith(prefix, "ledger/")])
    error_message = "Each prefix in objects must start with a folder, for example raw/, and must not be in ledger/."
  }
  validation {
    condition     = can(regex("^[1248]$", var.resources.cpu)) && can(regex("^[1-9][0-9]*(Mi|Gi)$", var.resources.memory))
    error_message = "cpu must be 1, 2, 4 or 8, and memory a number followed by Mi or Gi."
  }
  validation {
    condition     = var.resources.timeout_seconds >= 1 && var.resources.timeout_seconds < 600
    error_message = "timeout_seconds must be at least 1 and less than 600, which is Pub/Sub's longest acknowledgement deadline."
  }
  validation {
    condition     = var.resources.concurrency >= 1 && var.resources.concurrency <= 1000
    error_message = "concurrency must be from 1 to 1000."
  }
  validation {
    condition     = var.resources.minimum_instances >= 0 && var.resources.maximum_instances >= max(1, var.resources.minimum_instances)
    error_message = "maximum_instances must be at least 1 and at least minimum_instances, which must not be negative."
  }
  validation {
    # The entry of a dead process is free for another delivery after the lease of 60 s.
    condition     = var.resources.maximum_attempts >= 8 && var.resources.maximum_attempts <= 100
    error_message = "maximum_attempts must be from 8 to 100: with fewer attempts, the backoff of at least 10 s each ends before the lease of 60 s."
  }
}

variable "secrets" {
  description = "Settings whose values are secrets, with the ids of the secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name, secret in var.secrets : can(regex("^[A-Z][A-Z0-9_]*$", name)) && can(regex("^[A-Za-z0-9_-]+$", secret))])
    error_message = "Each key must be an uppercase setting name, and each value the id of a secret, not its value or its path."
  }
  validation {
    condition     = length(setintersection(keys(var.secrets), keys(var.environment))) == 0
    error_message = "A setting cannot be in both secrets and environment."
  }
}

variable "subnetwork" {
  description = "The network for all outgoing calls of the function, which does not reach the internet. null for calls over the internet."
  type        = object({ network = string, subnetwork = string })
  default     = null

  validation {
    condition     = var.subnetwork == null || try(alltrue([for name in values(var.subnetwork) : length(name) > 0]), false)
    error_message = "network and subnetwork must both be set."
  }
}
