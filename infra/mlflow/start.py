"""Starts the MLflow server; see mlflow.tf.

Cloud Run checks the callers, so the server has no login of its own.

Settings: MLFLOW_BACKEND_STORE_URI, MLFLOW_ARTIFACTS_DESTINATION, MLFLOW_SERVER_ALLOWED_HOSTS, PORT,
and the pool of connections to the database, MLFLOW_SQLALCHEMYSTORE_POOL_SIZE and
MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW. infra/tests/mlflow_start.py starts it with a PostgreSQL server.
"""

import os
import sys


def main():
    # One worker, because each takes 0.5 GB and a few functions call the server a few times a day.
    port = os.environ.get("PORT", "8080")
    server = ["-m", "mlflow", "server", "--host", "0.0.0.0", "--port", port, "--workers", "1"]
    os.execv(sys.executable, [sys.executable, *server])


if __name__ == "__main__":
    main()
