variable "audit_log" {
  description = "The table of the audit log, to which every function adds rows."
  type        = object({ dataset = string, table = string })
  nullable    = false

  validation {
    condition     = alltrue([for name in values(var.audit_log) : can(regex("^\\w+$", name))])
    error_message = "Both must be names in BigQuery, without the project: letters, digits and underscores."
  }
}

variable "bucket" {
  description = "The name of the bucket of artifacts, which every function may read."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "It must be the name of a bucket, without gs://."
  }
}

variable "callers" {
  description = "IAM members besides Pub/Sub that may call the service; with any, it can be reached from outside the project."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.callers : can(regex("^(group|serviceAccount|user):[^@]+@.+$", member))])
    error_message = "Each must be group:, user: or serviceAccount: and an address; nobody public."
  }
}

variable "datasets" {
  description = "The datasets whose tables the function uses: `read`, or `write` to make and replace tables."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for name, need in var.datasets : can(regex("^\\w+$", name)) && contains(["read", "write"], need)])
    error_message = "Each must be the name of a dataset, without the project, with read or write."
  }
}

variable "deployer" {
  description = "The service account that terraform acts as, which is allowed to act as the function's accounts; null where a person with that right deploys."
  type        = string
  default     = null

  validation {
    condition     = var.deployer == null || can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", var.deployer))
    error_message = "It must be the address of a service account, NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "environment" {
  description = "Settings and their values."
  type        = map(string)
  nullable    = false

  validation {
    # https://cloud.google.com/run/docs/container-contract#env-vars
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name)) && !contains(["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"], name)])
    error_message = "Each must have the name of a setting, in capitals, and not one of those that Cloud Run sets."
  }
}

variable "generation" {
  description = "Another number makes instances start anew, with the present secrets."
  type        = number
  nullable    = false

  validation {
    condition     = var.generation >= 1 && floor(var.generation) == var.generation
    error_message = "It must be a whole number from 1."
  }
}

variable "image" {
  description = "The image, with its tag."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[a-z0-9-]+/[a-z0-9-]+/[a-z0-9-]+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image)) && !endswith(var.image, ":latest")
    error_message = "It must be REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG, and not latest: nobody could say what runs."
  }
}

variable "input_topic" {
  description = "The id of the topic whose messages are pushed to the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^projects/[a-z0-9-]+/topics/[a-z-]+$", var.input_topic))
    error_message = "It must be projects/PROJECT/topics/NAME."
  }
}

variable "name" {
  description = "The name of the function: of its service, its push subscription and, behind a prefix, its accounts."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}[a-z0-9]$", var.name))
    error_message = "It must be 3 to 25 lower-case letters, digits and hyphens: with push- before it, an account takes 30."
  }
}

variable "output_topics" {
  description = "The ids of the topics that the function publishes to, by name."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for topic in values(var.output_topics) : can(regex("^projects/[a-z0-9-]+/topics/[a-z-]+$", topic))])
    error_message = "Each must be projects/PROJECT/topics/NAME."
  }
}

variable "project_id" {
  description = "The project."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "It must be the id of a project: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "protected" {
  description = "Whether terraform must refuse to delete the service."
  type        = bool
  nullable    = false
}

variable "pubsub_agent" {
  description = "Pub/Sub's service agent in this project, as an IAM member."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^serviceAccount:service-[0-9]+@gcp-sa-pubsub\\.iam\\.gserviceaccount\\.com$", var.pubsub_agent))
    error_message = "It must be serviceAccount:service-NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com, with the number of the project, not its id."
  }
}

variable "region" {
  description = "Where the service runs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "It must be a region, as in europe-west1."
  }
}

variable "resources" {
  description = <<-E
    What the service gets, and how its messages are delivered:
    - objects: the prefixes of the objects that it writes, besides its part of the ledger
    - cpu, memory: of an instance, as Cloud Run spells them
    - timeout_seconds: for one delivery; shorter than the acknowledgement deadline of 600 s
    - concurrency: deliveries at once in one instance
    - minimum_instances, maximum_instances
    - maximum_attempts: to deliver a message before it becomes a dead letter; the first pause is 10 s, the longest 600 s
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
    # An empty prefix would be every object; one without a folder, whatever begins like it.
    condition     = alltrue([for prefix in var.resources.objects : can(regex("^[a-z][a-z-]*/[A-Za-z0-9._/-]*$", prefix)) && !startswith(prefix, "ledger/")])
    error_message = "A prefix of objects must begin with a folder, as in raw/, and the ledger of others is not the function's to write."
  }
  validation {
    condition     = can(regex("^[1248]$", var.resources.cpu)) && can(regex("^[1-9][0-9]*(Mi|Gi)$", var.resources.memory))
    error_message = "cpu must be 1, 2, 4 or 8, and memory a number of Mi or Gi."
  }
  validation {
    condition     = var.resources.timeout_seconds >= 1 && var.resources.timeout_seconds < 600
    error_message = "A delivery must end before Pub/Sub's longest acknowledgement deadline of 600 s."
  }
  validation {
    condition     = var.resources.concurrency >= 1 && var.resources.concurrency <= 1000
    error_message = "An instance takes 1 to 1000 deliveries at once."
  }
  validation {
    condition     = var.resources.minimum_instances >= 0 && var.resources.maximum_instances >= max(1, var.resources.minimum_instances)
    error_message = "There must be one instance at most or more, and no fewer than at least."
  }
  validation {
    # A process that dies leaves its event to the next delivery, which may begin when the lease of 60 s is over.
    condition     = var.resources.maximum_attempts >= 8 && var.resources.maximum_attempts <= 100
    error_message = "There must be 8 attempts at least, whose pauses of 10 s or more outlast the lease of 60 s, and at most 100."
  }
}

variable "secrets" {
  description = "Settings whose values are secrets, and the ids of these."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name, secret in var.secrets : can(regex("^[A-Z][A-Z0-9_]*$", name)) && can(regex("^[A-Za-z0-9_-]+$", secret))])
    error_message = "Each must have the name of a setting, in capitals, and be the id of a secret, not its value or its path."
  }
  validation {
    condition     = length(setintersection(keys(var.secrets), keys(var.environment))) == 0
    error_message = "What is a secret cannot be a plain setting as well."
  }
}

variable "subnetwork" {
  description = "The network that all calls of the function go through, with no way to the internet; null for calls by the internet."
  type        = object({ network = string, subnetwork = string })
  default     = null

  validation {
    condition     = var.subnetwork == null || try(alltrue([for name in values(var.subnetwork) : length(name) > 0]), false)
    error_message = "Both network and subnetwork must be named."
  }
}
