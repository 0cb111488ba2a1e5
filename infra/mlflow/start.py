"""Starts the MLflow server for one of its two endpoints; see mlflow.tf.

The endpoint for functions requires a login (MLflow's basic-auth app). This script creates its only
user, or sets the user's password, so a new version of the secret takes effect with the next
revision. The endpoint for people has no login of its own, because Cloud Run checks its callers.

Settings: MLFLOW_BACKEND_STORE_URI, MLFLOW_ARTIFACTS_DESTINATION, MLFLOW_SERVER_ALLOWED_HOSTS, PORT,
and for a login MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
"""

import os
import pathlib
import secrets
import sys
import tempfile

# EDIT, so that functions can change the objects that people create through the other endpoint,
# where objects have no owner.
AUTH_CONFIG = """[mlflow]
default_permission = EDIT
database_uri = {database}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


def main():
    # One worker, because each takes 0.5 GB and a few functions call the server a few times a day.
    server = ["mlflow", "server", "--host", "0.0.0.0", "--port", os.environ.get("PORT", "8080"), "--workers", "1"]
    username = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if username:
        require_login(username, os.environ["MLFLOW_TRACKING_PASSWORD"], os.environ["MLFLOW_BACKEND_STORE_URI"])
        server += ["--app-name", "basic-auth"]
    sys.stdout.flush()
    os.execvp(server[0], server)


def require_login(username, password, database):
    # A directory that only this process may read, because the URL of the database contains its
    # password.
    config = pathlib.Path(tempfile.mkdtemp()) / "auth.ini"
    config.write_text(AUTH_CONFIG.format(database=database.replace("%", "%%")))
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(config)
    # MLflow requires an administrator, but nobody uses it: people use the other endpoint. Nobody
    # logs in to the web pages here, so the session key may change with each start.
    os.environ["MLFLOW_AUTH_ADMIN_USERNAME"] = "nobody"
    os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"] = secrets.token_urlsafe(32)
    os.environ["MLFLOW_FLASK_SERVER_SECRET_KEY"] = secrets.token_urlsafe(32)

    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    users = SqlAlchemyStore()
    users.init_db(database)
    if users.has_user(username):
        users.update_user(username, password=password)
    else:
        users.create_user(username, password)


if __name__ == "__main__":
    main()
