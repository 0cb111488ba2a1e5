# The configuration as text, for what a test must find wherever it stands: a resource that a test does not know cannot
# slip past it.

locals {
  root  = "${path.module}/../.."
  files = setunion(fileset(local.root, "*.tf"), fileset(local.root, "modules/*/*.tf"))
}

output "files" {
  description = "How many files there are."
  value       = length(local.files)
}

output "text" {
  description = "All files, one after the other, without comments."
  value       = join("\n", [for file in local.files : replace(file("${local.root}/${file}"), "/(?m)#.*$/", "")])
}
