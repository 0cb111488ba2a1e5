# The configuration as text. Tests search the text, so they also find resources that they do not
# name.

locals {
  root  = "${path.module}/../.."
  files = setunion(fileset(local.root, "*.tf"), fileset(local.root, "modules/*/*.tf"))
  texts = { for file in local.files : file => replace(file("${local.root}/${file}"), "/(?m)#.*$/", "") }
}

output "files" {
  description = "The number of files."
  value       = length(local.files)
}

output "grants" {
  description = "The resources that grant access, as FOLDER/TYPE.NAME."
  value = toset(flatten([for file, text in local.texts : [
    for found in regexall("resource \"(google_\\w*_(?:iam|acl|access)(?:_\\w+)?)\" \"(\\w+)\"", text) : trimprefix("${dirname(file)}/${found[0]}.${found[1]}", "./")
  ]]))
}

output "roles" {
  description = "The predefined roles that the configuration names."
  value       = toset(flatten([for text in values(local.texts) : regexall("roles/[A-Za-z.]+", text)]))
}

output "text" {
  description = "The concatenated files, without comments."
  value       = join("\n", values(local.texts))
}

output "variables" {
  description = "The bodies of all variables, by FOLDER/NAME."
  value = merge([for file, text in local.texts : {
    for found in regexall("(?s)variable \"(\\w+)\" {(.*?)\n}", text) : trimprefix("${dirname(file)}/${found[0]}", "./") => found[1]
  }]...)
}
