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
}

variable "invoker_members" {
  description = "The IAM members that may call it, where there is no login."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(setintersection(var.invoker_members, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "Nobody public may call MLflow."
  }
}

variable "login" {
  description = "The user and the secret with the password that MLflow asks for: then only the project's network reaches it. Null where Cloud Run checks who calls."
  type        = object({ username = string, password_secret = string })
}

variable "name" {
  description = "The name of the service."
  type        = string
  nullable    = false
}
