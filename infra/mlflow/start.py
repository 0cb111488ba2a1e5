"""Starts the MLflow server in one of its two doors; see mlflow.tf.

The door for functions asks for a login (MLflow's basic-auth app): its one user is made or given the present password
here, so that a new version of the secret takes effect with the next revision. The door for people is behind Cloud
Run's own check and asks for nothing more.

Settings: MLFLOW_BACKEND_STORE_URI, MLFLOW_ARTIFACTS_DESTINATION, MLFLOW_SERVER_ALLOWED_HOSTS, PORT, and for the door
with a login MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
"""

import os
import pathlib
import secrets
import sys
import tempfile

# EDIT: whatever people have registered through the other door, where nobody owns anything, functions may go on with.
AUTH_CONFIG = """[mlflow]
default_permission = EDIT
database_uri = {database}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


def main():
    # One worker: a server takes 0.5 GB for each, and a handful of functions call it a few times a day.
    server = ["mlflow", "server", "--host", "0.0.0.0", "--port", os.environ.get("PORT", "8080"), "--workers", "1"]
    username = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if username:
        ask_for_login(username, os.environ["MLFLOW_TRACKING_PASSWORD"], os.environ["MLFLOW_BACKEND_STORE_URI"])
        server += ["--app-name", "basic-auth"]
    sys.stdout.flush()
    os.execvp(server[0], server)


def ask_for_login(username, password, database):
    # A folder that only this process may read: the address of the database holds its password.
    config = pathlib.Path(tempfile.mkdtemp()) / "auth.ini"
    config.write_text(AUTH_CONFIG.format(database=database.replace("%", "%%")))
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(config)
    # MLflow insists on an administrator, whom nobody needs: people come through the other door. Nor does anybody log
    # in to its pages here, so that their key need not outlive the process.
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
