"""Starts infra/mlflow/start.py with a PostgreSQL server, as Cloud Run does with Cloud SQL.

Uses the settings of modules/mlflow-endpoint/main.tf, a socket instead of an address, and the limit of
connections of the smallest database. Prints the time of a start, the time of eight requests at once
and of as many as an instance accepts, and the number of connections. `make test-mlflow` runs it, and
installs PostgreSQL and MLflow.
"""

import concurrent.futures
import glob
import http.client
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

INFRA = pathlib.Path(__file__).resolve().parent.parent
# The limit of db-f1-micro: https://cloud.google.com/sql/docs/postgres/flags#postgres-m
MAX_CONNECTIONS = 25
# Connections that PostgreSQL keeps for superusers, and those of Cloud SQL itself.
RESERVED = 3 + 4
# The limit of memory in main.tf, in MiB.
MEMORY_MIB = 2048
# The requests that main.tf sends to one instance at once: eight, five times.
CONCURRENCY = 40
SECONDS_TO_START = 120  # the startup probe in main.tf
HOST = "mlflow-abc123-ew.a.run.app"


def main():
    checks = [check("the packages are those of the image", packages_of_the_image())]
    with tempfile.TemporaryDirectory(prefix="mlflow-start-") as folder:
        folder = pathlib.Path(folder)
        with Database(folder / "database") as database:
            environment = settings(folder, database)
            with Server(environment, database) as first:
                report(f"first start, which creates the tables: {first.seconds:.1f} s")
                checks.append(check("the first start is within the startup probe", first.seconds < SECONDS_TO_START))
                create_model(first)
            with Server(environment, database) as server:
                report(f"start: {server.seconds:.1f} s")
                path = "/api/2.0/mlflow/experiments/search?max_results=1"
                checks.append(check("a foreign host is rejected", server.get(path, host="evil.example") == 403))
                checks += at_once(8, [server], database, "one instance")
                checks += at_once(CONCURRENCY, [server], database, "one instance")
                report(f"memory of an instance: {server.memory_mib():.0f} MiB of {MEMORY_MIB}")
                checks.append(check("an instance fits into its memory", server.memory_mib() < MEMORY_MIB))
                # A deployment starts the next revision before it stops the present one.
                with Server(environment, database) as next_revision:
                    checks += at_once(CONCURRENCY, [server, next_revision], database, "two revisions")
    passed = sum(checks)
    print(f"{passed} passed, {len(checks) - passed} failed")
    return 0 if passed == len(checks) else 1


def report(text):
    print(f"mlflow: {text}", flush=True)


def check(name, holds):
    if not holds:
        report(f"FAILED: {name}")
    return bool(holds)


def packages_of_the_image():
    """Returns `True` if this interpreter has the packages that decide about connections."""
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (INFRA / "mlflow/requirements.txt").read_text(), re.M))
    names = ["mlflow", "psycopg2-binary", "sqlalchemy"]
    installed = {name: importlib.metadata.version(name) for name in names}
    differing = {name: (version, pinned[name]) for name, version in installed.items() if version != pinned[name]}
    if differing:
        report(f"installed and pinned versions differ: {differing}")
    return not differing


def settings(folder, database):
    """The variables of the service in main.tf, with a folder instead of a bucket."""
    text = (INFRA / "modules/mlflow-endpoint/main.tf").read_text()
    assert f"max_instance_request_concurrency = {CONCURRENCY}\n" in text and "max_instance_count = 1\n" in text
    block = re.search(r"\n  environment = \{\n(.*?)\n  \}", text, re.S).group(1)
    variables = dict(re.findall(r"^ +(MLFLOW_\w+) += \"(.*)\"$", block, re.M))
    variables["MLFLOW_SERVER_ALLOWED_HOSTS"] = variables["MLFLOW_SERVER_ALLOWED_HOSTS"].replace("${var.name}", "mlflow")
    artifacts = folder / "artifacts"
    artifacts.mkdir()
    return {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")} | variables | {
        "MLFLOW_ARTIFACTS_DESTINATION": str(artifacts),
        "MLFLOW_BACKEND_STORE_URI": database.url,
        "HOME": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def create_model(server):
    """Adds entities that the requests read."""
    for call, body in [
        ("experiments/create", {"name": "weeks"}),
        ("registered-models/create", {"name": "bike-traffic-champion"}),
    ]:
        status = server.post(f"/api/2.0/mlflow/{call}", body)
        if status != 200:
            raise SystemExit(f"{call}: {status}")


def at_once(requests, servers, database, name):
    """Sends requests at once to each server, ten times, while the connections are counted."""
    calls = [
        ("GET", "/api/2.0/mlflow/registered-models/get?name=bike-traffic-champion", None),
        ("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=weeks", None),
        ("GET", "/api/2.0/mlflow/model-versions/search?filter=name%20%3D%20%27bike-traffic-champion%27", None),
        ("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}),
        ("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "1"}),
        ("POST", "/api/2.0/mlflow/logged-models/search", {"experiment_ids": ["1"]}),
        ("POST", "/api/2.0/mlflow/registered-models/set-tag", {"name": "bike-traffic-champion", "key": "a", "value": "b"}),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/model.ubj", {"bytes": "x" * 1_200_000}),
    ]
    calls *= requests // len(calls)
    durations, statuses = [], set()

    def send(server, barrier, method, path, body):
        barrier.wait()
        begin = time.monotonic()
        status = server.call(method, path, body)
        return time.monotonic() - begin, (status, path if status != 200 else "")

    with database.counting() as counted:
        for _ in range(10):
            barrier = threading.Barrier(len(calls) * len(servers))
            with concurrent.futures.ThreadPoolExecutor(barrier.parties) as threads:
                sent = [threads.submit(send, server, barrier, *call) for server in servers for call in calls]
                for request in sent:
                    duration, status = request.result()
                    durations.append(duration)
                    statuses.add(status)
    durations.sort()
    median, slowest = durations[len(durations) // 2], durations[-1]
    report(
        f"{name}: {len(calls) * len(servers)} requests at once: median {median * 1000:.0f} ms, "
        f"slowest {slowest * 1000:.0f} ms; at most {counted.most} connections of {MAX_CONNECTIONS - RESERVED}"
    )
    return [
        check(f"{name}: every request succeeds: {statuses}", statuses == {(200, "")}),
        check(f"{name}: the connections are below the limit", 0 < counted.most <= MAX_CONNECTIONS - RESERVED),
    ]


class Server:
    """A process of start.py."""

    def __init__(self, environment, database):
        self.port = free_port()
        self.environment = environment | {"PORT": str(self.port)}

    def __enter__(self):
        begin = time.monotonic()
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, INFRA / "mlflow/start.py"],
            env=self.environment, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )
        while True:
            self.seconds = time.monotonic() - begin
            try:
                if self.get("/health") == 200:
                    return self
            except OSError:
                pass
            if self.process.poll() is not None or self.seconds > SECONDS_TO_START:
                self.__exit__()
                self.log.seek(0)
                raise SystemExit(f"MLflow does not start:\n{self.log.read()[-4000:]}")
            time.sleep(0.1)

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def call(self, method, path, body=None, host=HOST):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Host": host, "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status

    def get(self, path, host=HOST):
        return self.call("GET", path, host=host)

    def post(self, path, body):
        return self.call("POST", path, body)

    def memory_mib(self):
        """The resident memory of the processes of the server."""
        pages = 0
        for status in glob.glob("/proc/[0-9]*/stat"):
            try:
                fields = pathlib.Path(status).read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == self.process.pid:  # the process group
                pages += int(fields[21])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Database:
    """A PostgreSQL server that listens on a socket only."""

    def __init__(self, folder):
        self.folder = folder
        self.url = f"postgresql+psycopg2://mlflow:secret@/mlflow?host={folder}"
        # The server does not run as root. Debian's package creates this user.
        self.user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}

    def __enter__(self):
        self.folder.mkdir()
        if self.user:
            self.folder.parent.chmod(0o755)
            shutil.chown(self.folder, **self.user)
        data = self.folder / "data"
        self.run("initdb", "--pgdata", data, "--auth=trust", "--username=root", "--encoding=UTF8", "--locale=C")
        self.process = subprocess.Popen(
            [program("postgres"), "-D", data, "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}",
             "-c", f"max_connections={MAX_CONNECTIONS}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, **self.user,
        )
        while self.query("SELECT 1", check=False) != "1":
            if self.process.poll() is not None:
                raise SystemExit("PostgreSQL does not start")
            time.sleep(0.1)
        # As secrets.sh creates it: not a superuser, so it cannot use the reserved connections.
        self.query("CREATE ROLE mlflow LOGIN PASSWORD 'secret'")
        self.query("CREATE DATABASE mlflow OWNER mlflow")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def run(self, name, *arguments, check=True):
        return subprocess.run([program(name), *arguments], check=check, capture_output=True, text=True, cwd=self.folder, **self.user).stdout.strip()

    def query(self, sql, check=True):
        return self.run("psql", "--host", self.folder, "--username=root", "--dbname=postgres", "-XAtqc", sql, check=check)

    def counting(self):
        return Counting(self)


class Counting:
    """Counts the connections of MLflow again and again."""

    def __init__(self, database):
        self.database, self.most, self.done = database, 0, threading.Event()
        self.thread = threading.Thread(target=self.count)

    def count(self):
        while not self.done.is_set():
            count = self.database.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'mlflow'")
            self.most = max(self.most, int(count))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def program(name):
    """Debian's package has the programs of the server outside of PATH."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}")) or [shutil.which(name)]
    if found[-1] is None:
        raise SystemExit(f"{name} of PostgreSQL is missing; to install it: make setup-mlflow")
    return found[-1]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
