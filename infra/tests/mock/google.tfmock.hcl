# Attributes that Google computes, for tests that depend on their format.

mock_data "google_project" {
  defaults = {
    number = "123456789012"
  }
}

mock_resource "google_sql_database_instance" {
  defaults = {
    connection_name = "a-project:europe-west1:mlflow"
  }
}
