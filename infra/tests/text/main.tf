# The configuration as text, for what a test must find wherever it stands: a resource that a test does not know cannot
# slip past it.

locals {
  root  = "${path.module}/../.."
  files = setunion(fileset(local.root, "*.tf"), fileset(local.root, "modules/*/*.tf"))
  texts = { for file in local.files : file => replace(file("${local.root}/${file}"), "/(?m)#.*$/", "") }
}

output "files" {
  description = "How many files there are."
  value       = length(local.files)
}

output "grants" {
  description = "Every resource that gives somebody a right, as FOLDER/TYPE.NAME."
  value = toset(flatten([for file, text in local.texts : [
    for found in regexall("resource \"(google_\\w*_(?:iam|acl|access)(?:_\\w+)?)\" \"(\\w+)\"", text) : trimprefix("${dirname(file)}/${found[0]}.${found[1]}", "./")
  ]]))
}

output "roles" {
  description = "Every predefined role that is named."
  value       = toset(flatten([for text in values(local.texts) : regexall("roles/[A-Za-z.]+", text)]))
}

output "text" {
  description = "All files, one after the other, without comments."
  value       = join("\n", values(local.texts))
}

output "variables" {
  description = "The body of every variable, as FOLDER/NAME."
  value = merge([for file, text in local.texts : {
    for found in regexall("(?s)variable \"(\\w+)\" {(.*?)\n}", text) : trimprefix("${dirname(file)}/${found[0]}", "./") => found[1]
  }]...)
}
