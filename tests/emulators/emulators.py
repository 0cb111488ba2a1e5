"""Starts and stops what stands in for Google Cloud on one machine: Pub/Sub, Cloud Storage, BigQuery and MLflow.

    emulators.py start [--state DIR]              start all four and wait until they answer
    emulators.py stop [--state DIR]               end exactly what `start` started
    emulators.py run [--state DIR] -- COMMAND     start, run a command that finds them in its environment, and stop

All listen on free ports of 127.0.0.1 and keep their state in memory or below DIR (`state/emulators`). DIR/env has the
variables for a shell: `source state/emulators/env`. Their logs are in DIR/*.log.
"""

import argparse
import glob
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SECONDS_TO_START = 90
SECONDS_TO_STOP = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["start", "stop", "run"])
    parser.add_argument("--state", type=pathlib.Path, default=HERE.parent.parent / "state" / "emulators", metavar="DIR")
    ours, command = split(sys.argv[1:])
    arguments = parser.parse_args(ours)
    state = arguments.state.resolve()
    if arguments.action == "stop":
        return stop(state)
    if arguments.action == "run" and not command:
        parser.error("run needs a command after --")
    variables = start(state)
    if arguments.action == "start":
        return 0
    try:
        return subprocess.run(command, env=os.environ | variables, check=False).returncode
    finally:
        stop(state)


def split(words):
    """Splits a command line at the first `--`."""
    position = words.index("--") if "--" in words else len(words)
    return words[:position], words[position + 1:]


def start(state):
    if (state / "processes.json").exists():
        sys.exit(f"emulators were started in {state} before; end them with `make emulators-stop`")
    programs, variables = {}, {}
    for name, make in PROGRAMS.items():
        programs[name] = make(state, variables)
        variables |= programs[name]["tells"]
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    processes = {}
    try:
        for name, program in programs.items():
            with open(state / f"{name}.log", "wb") as log:
                process = subprocess.Popen(
                    program["command"], env=os.environ | program.get("variables", {}), cwd=state, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )
            processes[name] = (process, birth(process.pid))
            started = {name: {"pid": process.pid, "birth": born} for name, (process, born) in processes.items()}
            (state / "processes.json").write_text(json.dumps(started))
        for name, (process, _) in processes.items():
            wait(name, process, programs[name]["probe"], state)
    except BaseException:
        stop(state)
        raise
    (state / "env").write_text("".join(f"export {key}={value}\n" for key, value in variables.items()))
    print(f"the emulators answer; for a shell: source {state / 'env'}")
    for key, value in variables.items():
        print(f"  {key}={value}")
    sys.stdout.flush()
    return variables


def stop(state):
    file = state / "processes.json"
    if not file.exists():
        print(f"no emulators were started in {state}")
        return 0
    # A number may belong to another process by now: only one born when ours was is ended.
    ours = [found for found in json.loads(file.read_text()).values() if birth(found["pid"]) == found["birth"]]
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for found in ours:
            try:
                os.killpg(found["pid"], sign)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + SECONDS_TO_STOP
        while any(is_alive(found["pid"]) for found in ours) and time.monotonic() < deadline:
            time.sleep(0.05)
    file.unlink()
    print(f"the emulators of {state} are stopped")
    return 0


def wait(name, process, probe, state):
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(probe, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return  # It answers.
        except OSError:
            time.sleep(0.1)
    log = (state / f"{name}.log").read_text(errors="replace")
    sys.exit(f"{name} did not start; the end of its log:\n{log[-2000:]}")


def birth(pid):
    """Returns when a process was started, in ticks since the machine was, or None."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def is_alive(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return birth(pid) is not None


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def pubsub(_state, _known):
    port = free_port()
    jar = pubsub_jar()
    return {
        "command": [java(), "-jar", jar, "--host=127.0.0.1", f"--port={port}"],
        "probe": f"http://127.0.0.1:{port}/",
        "tells": {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}"},
    }


def java():
    found = shutil.which("java")
    if not found:
        sys.exit("Pub/Sub's emulator needs Java 11 or newer: apt-get install openjdk-17-jre-headless")
    return found


def pubsub_jar():
    root = os.environ.get("CLOUDSDK_ROOT_DIR")
    if not root and shutil.which("gcloud"):
        asked = subprocess.run(["gcloud", "info", "--format=value(installation.sdk_root)"], capture_output=True, text=True)
        root = asked.stdout.strip()
    jars = sorted(glob.glob(f"{root}/platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar")) if root else []
    if not jars:
        sys.exit(
            "Pub/Sub's emulator is missing. It is a component of the Google Cloud SDK (https://cloud.google.com/sdk):\n"
            "  gcloud components install pubsub-emulator\n"
            "or, where the SDK came from apt: apt-get install google-cloud-cli-pubsub-emulator"
        )
    return jars[-1]


def storage(_state, _known):
    port = free_port()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    wheel = pathlib.Path(sys.prefix).glob(f"lib/*/site-packages/fake_gcs_server*/vendor/*/bin/*-linux-{machine}")
    program = next(wheel, None)
    if not program:
        sys.exit(f"there is no fake-gcs-server for {machine}; `docker compose up` starts it from its image")
    address = f"http://127.0.0.1:{port}"
    return {
        "command": [
            str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory",
            "-external-url", address, "-public-host", f"127.0.0.1:{port}", "-log-level", "warn",
        ],
        "probe": f"{address}/storage/v1/b",
        "tells": {"STORAGE_EMULATOR_HOST": address},
    }


def bigquery(state, known):
    port = free_port()
    return {
        "command": [
            sys.executable, str(HERE / "bigquery.py"), "start", "--rest-port", str(port), "--grpc-port", "0",
            "--log-level", "warning",
        ],
        # Exports go into the folder first, and from there to the emulator of Cloud Storage.
        "variables": {
            "BQEMU_GCS_LOCAL_ROOT": str(state / "bigquery-gcs"),
            "STORAGE_EMULATOR_HOST": known["STORAGE_EMULATOR_HOST"],
        },
        "probe": f"http://127.0.0.1:{port}/bigquery/v2/projects/p/datasets",
        "tells": {"BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}"},
    }


def mlflow(state, _known):
    port = free_port()
    return {
        "command": [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{state / 'mlflow.db'}",
            "--artifacts-destination", f"file://{state / 'mlflow-artifacts'}",
        ],
        "variables": {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
        "probe": f"http://127.0.0.1:{port}/health",
        "tells": {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"},
    }


PROGRAMS = {"pubsub": pubsub, "storage": storage, "bigquery": bigquery, "mlflow": mlflow}

if __name__ == "__main__":
    sys.exit(main())
