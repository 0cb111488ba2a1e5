"""The forecast service: the function `predict` against FastAPI with pandas and the same model."""

import datetime
import json
import os
import sys
import time

from measure import Connection, Service, get, post, quantile
from table import Row, both
from workspace import PARIS, THEIRS

WARM_UP, REQUESTS = 100, 400
SIZES = [100, 1000]
# A published forecast is rounded to single precision.
TOLERANCE = 1e-4


def requests(work):
    """Returns requests of each size: counters and hours of the next day in turn."""
    with (work.folder / "serving.csv").open() as counts:
        header = next(counts).strip().split(",")
        column = header.index("nom_du_compteur")
        last = list(counts)[-2000:]
    names = sorted({line.split(",")[column] for line in last if '"' not in line.split(",")[column]})
    midnight = datetime.datetime.combine(work.serving_day(), datetime.time(), PARIS)
    hours = [(midnight + datetime.timedelta(hours=hour)).isoformat() for hour in range(24)]
    record = lambda number: {
        "nom_du_compteur": names[number % len(names)],
        "date_et_heure_de_comptage": hours[number % len(hours)],
    }
    return {size: post("/v1/predict", {"records": [record(number) for number in range(size)]}) for size in SIZES}


def our_service(work):
    return Service([work.binaries / "predict"], work.function_variables(work.serving_state))


def their_service(work):
    # One worker with the fastest event loop and parser of uvicorn.
    command = [sys.executable, "-m", "uvicorn", "service:app", "--app-dir", THEIRS, "--port", "{port}"]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    variables = {
        "MODEL": str(work.model(work.champion())),
        "COUNTS": str(work.folder / "serving.csv"),
        "DAY": str(work.serving_day()),
        "PATH": os.environ["PATH"],
        "OMP_WAIT_POLICY": "passive",
    }
    return Service(command, variables)


def close(ours, theirs):
    """Returns the greatest difference of the published forecasts of two answers."""
    pairs = zip(ours["predictions"], theirs["predictions"], strict=True)
    return max(abs(one["prediction"] - other["prediction"]) / max(1, one["prediction"]) for one, other in pairs)


class Serving:
    """Requests on one connection after the other."""

    repetitions = 3

    def __init__(self, work):
        self.work = work
        self.requests = requests(work)
        self.answers = {}

    def ours(self):
        return self.measure("ours", our_service(self.work))

    def theirs(self):
        return self.measure("theirs", their_service(self.work))

    def measure(self, side, service):
        sample = {}
        with service:
            for size, request in self.requests.items():
                service.first_answer(request)
                with Connection(service.port) as connection:
                    durations = [exchange(connection, request) for _ in range(WARM_UP + REQUESTS)][WARM_UP:]
                    self.answers[side, size] = json.loads(connection.exchange(request))
                sample[f"p50 of {size}"], sample[f"p99 of {size}"] = (quantile(durations, share) for share in (0.5, 0.99))
            sample["peak"] = service.peak_mib()
        return sample

    def check(self):
        """Compares all forecasts of the answers."""
        difference = max(close(self.answers["ours", size], self.answers["theirs", size]) for size in SIZES)
        assert difference <= TOLERANCE, f"a forecast differs by {difference} of its value"
        return f"serving: the forecasts differ by at most {difference:.0e} of their value"

    def rows(self, ours, theirs):
        goals = {"p50 of 100": 15}
        labels = {"p50": "median", "p99": "99th percentile"}
        rows = [
            Row(f"{size:,} records over HTTP, {text} (FastAPI, pandas)", *both(ours, theirs, f"{name} of {size}", 1e3), "ms", goal=goals.get(f"{name} of {size}"))
            for size in SIZES
            for name, text in labels.items()
        ]
        return [*rows, Row("memory of the service", *both(ours, theirs, "peak"), "MiB", kind="share")]


def exchange(connection, request):
    start = time.perf_counter()
    connection.exchange(request)
    return time.perf_counter() - start


class Start:
    """The time from process start to the first answers of the service."""

    repetitions = 5

    def __init__(self, work):
        self.work = work
        self.request = requests(work)[100]

    def ours(self):
        return self.measure(our_service)

    def theirs(self):
        return self.measure(their_service)

    def measure(self, start):
        with start(self.work) as service:
            alive = service.first_answer(get("/livez"))
        with start(self.work) as service:
            return {"alive": alive, "forecast": service.first_answer(self.request)}

    def check(self):
        """The answers are those of `Serving`."""
        return None

    def rows(self, ours, theirs):
        return [
            Row("service start to the first answer (FastAPI, pandas)", *both(ours, theirs, "alive", 1e3), "ms", goal=100),
            Row("service start to the first 100 forecasts", *both(ours, theirs, "forecast", 1e3), "ms"),
        ]
