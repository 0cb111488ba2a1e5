variable "audit_log" {
  description = "The table of the audit log, to which every function adds rows."
  type        = object({ dataset = string, table = string })
  nullable    = false
}

variable "bucket" {
  description = "The name of the bucket of artifacts, which every function may read."
  type        = string
  nullable    = false
}

variable "callers" {
  description = "IAM members besides Pub/Sub that may call the service; with any, it can be reached from outside the project."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setintersection(var.callers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "Nobody public may call a function."
  }
}

variable "datasets" {
  description = "The datasets whose tables the function uses: `read`, or `write` to make and replace tables."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for need in values(var.datasets) : contains(["read", "write"], need)])
    error_message = "Each must be read or write."
  }
}

variable "deployer" {
  description = "The service account that terraform acts as, which is allowed to act as the function's accounts; null where a person with that right deploys."
  type        = string
  default     = null
}

variable "environment" {
  description = "Settings and their values."
  type        = map(string)
  nullable    = false
}

variable "generation" {
  description = "Another number makes instances start anew, with the present secrets."
  type        = number
  nullable    = false
}

variable "image" {
  description = "The image, with its tag."
  type        = string
  nullable    = false
}

variable "input_topic" {
  description = "The id of the topic whose messages are pushed to the function."
  type        = string
  nullable    = false
}

variable "name" {
  description = "The name of the function: of its service and of its push subscription."
  type        = string
  nullable    = false
}

variable "output_topics" {
  description = "The ids of the topics that the function publishes to, by name."
  type        = map(string)
  nullable    = false
}

variable "project_id" {
  description = "The project."
  type        = string
  nullable    = false
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
}

variable "region" {
  description = "Where the service runs."
  type        = string
  nullable    = false
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
    condition     = var.resources.timeout_seconds < 600
    error_message = "A delivery must end before Pub/Sub's longest acknowledgement deadline of 600 s."
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
}

variable "subnetwork" {
  description = "The network that all calls of the function go through, with no way to the internet; null for calls by the internet."
  type        = object({ network = string, subnetwork = string })
  default     = null
}
