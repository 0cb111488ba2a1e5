"""Starts and stops emulators of Pub/Sub, Cloud Storage and BigQuery, and an MLflow server.

    emulators.py start [--state DIR]              start all four and wait until they are ready
    emulators.py stop [--state DIR]               stop the processes that `start` started
    emulators.py run [--state DIR] -- COMMAND     start, run COMMAND with their addresses in its
                                                  environment, and stop

The emulators listen on free ports of 127.0.0.1. They keep their state in memory or in DIR, which is
`state/emulators` by default. DIR/env has the addresses for a shell: `source state/emulators/env`.
The logs are in DIR/*.log.
"""

import argparse
import glob
import itertools
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
    own, command = split(sys.argv[1:])
    arguments = parser.parse_args(own)
    state = arguments.state.resolve()
    if arguments.action == "stop":
        return stop(state)
    if arguments.action == "run" and not command:
        parser.error("run needs a command after --")
    variables = start(state)
    if arguments.action == "start":
        return 0
    try:
        return run(command, variables)
    finally:
        stop(state)


def run(command, variables):
    """Runs a command to its end, and returns its exit status.

    Ctrl-C reaches the command as well, because it is in the same process group. SIGTERM is passed on.
    Either way the command ends by itself, before the emulators are stopped.
    """
    process = subprocess.Popen(command, env=os.environ | variables)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    return process.wait()


def split(words):
    """Splits a command line at the first `--`."""
    position = words.index("--") if "--" in words else len(words)
    return words[:position], words[position + 1:]


def start(state):
    if (state / "processes.json").exists():
        sys.exit(f"emulators are already running in {state}; to stop them: make emulators-stop")
    programs, variables = {}, {}
    for name, make in PROGRAMS.items():
        programs[name] = make(state, variables)
        variables |= programs[name]["addresses"]
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    print(f"starting {', '.join(programs)}, which takes some seconds", file=sys.stderr, flush=True)
    processes = {}
    try:
        for name, program in programs.items():
            with open(state / f"{name}.log", "wb") as log:
                process = subprocess.Popen(
                    program["command"], env=os.environ | program.get("variables", {}), cwd=state, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )
            processes[name] = (process, start_time(process.pid))
            started = {name: {"pid": process.pid, "start_time": started_at} for name, (process, started_at) in processes.items()}
            (state / "processes.json").write_text(json.dumps(started))
        for name, (process, _) in processes.items():
            wait(name, process, programs[name]["probe"], state)
    except BaseException:
        stop(state)
        raise
    (state / "env").write_text("".join(f"export {key}={value}\n" for key, value in variables.items()))
    print(f"the emulators are ready; to set their addresses in a shell: source {state / 'env'}")
    for key, value in variables.items():
        print(f"  {key}={value}")
    sys.stdout.flush()
    return variables


def stop(state):
    file = state / "processes.json"
    if not file.exists():
        print(f"no emulators are running in {state}")
        return 0
    # The process id may have been reused, so only processes with the recorded start time are
    # stopped.
    own = [found for found in json.loads(file.read_text()).values() if start_time(found["pid"]) == found["start_time"]]
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for found in own:
            try:
                os.killpg(found["pid"], sign)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + SECONDS_TO_STOP
        while any(is_alive(found["pid"]) for found in own) and time.monotonic() < deadline:
            time.sleep(0.05)
    file.unlink()
    print(f"stopped the emulators in {state}")
    return 0


def wait(name, process, probe, state):
    deadline = time.monotonic() + SECONDS_TO_START
    frames = itertools.cycle("|/-\\")
    try:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                urllib.request.urlopen(probe, timeout=2).close()
                return
            except urllib.error.HTTPError:
                return  # Any response means that the server is ready.
            except OSError:
                show(f"{next(frames)} waiting for {name}")
                time.sleep(0.1)
    finally:
        show("")
    log = (state / f"{name}.log").read_text(errors="replace")
    sys.exit(f"{name} did not start; the end of its log:\n{log[-2000:]}")


def show(text):
    """Replaces the last line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def start_time(pid):
    """Returns the start time of a process in clock ticks since boot, or None."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def is_alive(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return start_time(pid) is not None


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
        "addresses": {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}"},
    }


def java():
    found = shutil.which("java")
    if not found:
        sys.exit("the Pub/Sub emulator needs Java 11 or newer; to install it: make setup-emulators")
    return found


def pubsub_jar():
    root = os.environ.get("CLOUDSDK_ROOT_DIR")
    if not root and shutil.which("gcloud"):
        asked = subprocess.run(["gcloud", "info", "--format=value(installation.sdk_root)"], capture_output=True, text=True)
        root = asked.stdout.strip()
    jars = sorted(glob.glob(f"{root}/platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar")) if root else []
    if not jars:
        sys.exit(
            "the Pub/Sub emulator, a component of the Google Cloud SDK (https://cloud.google.com/sdk), is missing; to install it:\n"
            "  gcloud components install pubsub-emulator\n"
            "or, if the SDK was installed with apt: apt-get install google-cloud-cli-pubsub-emulator"
        )
    return jars[-1]


def storage(_state, _known):
    port = free_port()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    wheel = pathlib.Path(sys.prefix).glob(f"lib/*/site-packages/fake_gcs_server*/vendor/*/bin/*-linux-{machine}")
    program = next(wheel, None)
    if not program:
        sys.exit(f"fake-gcs-server is not available for {machine}; to use its image: docker compose --file tests/emulators/compose.yaml up --wait")
    address = f"http://127.0.0.1:{port}"
    return {
        "command": [
            str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory",
            "-external-url", address, "-public-host", f"127.0.0.1:{port}", "-log-level", "warn",
        ],
        "probe": f"{address}/storage/v1/b",
        "addresses": {"STORAGE_EMULATOR_HOST": address},
    }


def bigquery(state, known):
    port = free_port()
    return {
        "command": [
            sys.executable, str(HERE / "bigquery.py"), "start", "--rest-port", str(port), "--grpc-port", "0",
            "--log-level", "warning",
        ],
        # Exports are written to this folder first, and then uploaded to the Cloud Storage emulator.
        "variables": {
            "BQEMU_GCS_LOCAL_ROOT": str(state / "bigquery-gcs"),
            "STORAGE_EMULATOR_HOST": known["STORAGE_EMULATOR_HOST"],
        },
        "probe": f"http://127.0.0.1:{port}/bigquery/v2/projects/p/datasets",
        "addresses": {"BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}"},
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
        "addresses": {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"},
    }


PROGRAMS = {"pubsub": pubsub, "storage": storage, "bigquery": bigquery, "mlflow": mlflow}

if __name__ == "__main__":
    sys.exit(main())
