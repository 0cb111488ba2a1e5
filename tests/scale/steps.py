"""The work that is measured, one function for each step. Each returns seconds and peak memory in MiB."""

import base64
import csv
import datetime
import gzip
import json
import os
import shutil
import time
from dataclasses import dataclass

from city import LAST_DAY, WEEK, OpenData
from measure import Connection, Service, get, post, run

# Four weeks. The first champion is trained on the days before.
BACKTEST = ["--from", "2021-07-19", "--to", "2021-08-15", "--policy", "fixed-test", "--strategy", "append"]


@dataclass(frozen=True)
class Measured:
    """A step of one size."""

    seconds: float
    peak_mib: float


class Steps:
    """The steps of one city, in their order."""

    def __init__(self, city, binaries):
        self.city, self.binaries = city, binaries
        # Without variables of OpenMP, each program decides how its threads wait, as in production.
        self.environment = {"PATH": os.environ["PATH"]}
        # What Cloud Run and the open data client limit, by name.
        self.sizes = {}

    def all(self):
        """Yields the name and the function of each step. Each needs the results of those before."""
        yield "sample-data", lambda: self.command(*self.city.sample_arguments())
        yield "train", self.train
        self.city.write_tables()
        yield "ingest", self.ingest
        yield "predict", self.predict
        yield "drift-check", self.drift_check
        yield "fine-tune", self.fine_tune
        yield "evaluate", self.evaluate
        yield "promote", self.promote
        yield "merge-baseline", self.merge
        yield "backtest of four weeks", self.backtest

    def command(self, *arguments):
        """Runs a command of bike-traffic."""
        finished = run([self.binaries / "bike-traffic", *arguments], self.environment)
        self.output = finished.output
        return Measured(finished.seconds, finished.peak_mib)

    def train(self, device="cpu"):
        shutil.rmtree(self.city.state, ignore_errors=True)
        measured = self.command(
            "train", "--state", self.city.state, "--train-path", self.city.train, "--test-path", self.city.test,
            "--device", device, "--allow-worse-than-naive", "--json",
        )
        self.sizes["training rows"] = rows_of(self.city.train)
        return measured

    def ingest(self):
        records = self.city.reply()
        with OpenData(records) as open_data:
            self.sizes["records of a reply"] = len(records)
            self.sizes["bytes of a reply"] = len(open_data.body)
            event = {"type": "ingest-requested", "from": str(LAST_DAY)}
            return self.deliver("ingest", [event], {"OPEN_DATA_URL": open_data.url()})

    def predict(self):
        """Forecasts each day of the week from the day before, and then the day after the last one."""
        days = [LAST_DAY - datetime.timedelta(days=age) for age in range(7, -1, -1)]
        events = [{"type": "day-ingested", "event_id": f"ingest/{day}", "day": str(day), "rows": 0} for day in days]
        return self.deliver("predict", events)

    def drift_check(self):
        return self.deliver("drift-check", [{"type": "drift-check-requested", "week": WEEK}])

    def fine_tune(self):
        event = {
            "type": "fine-tune-requested", "week": WEEK, "reason": "a benchmark", "strategy": "auto",
            "requested_at": "2021-08-23T05:00:00Z",
        }
        return self.deliver("fine-tune", [event])

    def evaluate(self):
        registry = json.loads((self.city.state / "registry/registry/bike-traffic-champion.json").read_text())
        aliases = registry["aliases"]
        self.versions = {"champion": aliases["champion"], "challenger": aliases["challenger"]}
        event = {"type": "challenger-trained", "event_id": f"fine-tune/{WEEK}", "week": WEEK, **self.versions}
        return self.deliver("evaluate", [event])

    def promote(self):
        event = {
            "type": "challenger-evaluated", "event_id": f"evaluate/{WEEK}", "week": WEEK, **self.versions,
            "evaluation": f"evaluations/{WEEK}.json",
        }
        return self.deliver("promote", [event])

    def merge(self):
        return self.command(
            "merge-baseline", "--baseline", self.city.train, "--bq-export", self.city.live,
            "--test-path", self.city.test, "--output", self.city.folder / "merged.csv.gz",
        )

    def backtest(self):
        paths = ["--train-path", self.city.train, "--test-path", self.city.test, "--live-path", self.city.live]
        return self.command("backtest", *BACKTEST, *paths, "--out", self.city.folder / "backtest.json")

    def deliver(self, function, events, variables=None):
        """Pushes events to a process of a function. Returns the longest delivery and the peak memory."""
        state = self.city.state
        ports = {"STORE_URL": "objects", "WAREHOUSE_URL": "warehouse", "MLFLOW_TRACKING_URI": "registry", "BUS_URL": "bus"}
        environment = self.environment | {name: f"file://{state / folder}" for name, folder in ports.items()}
        environment |= {"PUSH_AUDIENCE": "off"} | (variables or {})
        durations = []
        with Service([self.binaries / function], environment) as service:
            service.first_answer(get("/livez"))
            for event in events:
                data = base64.b64encode(json.dumps(event).encode()).decode()
                request = post("/", {"message": {"data": data, "messageId": "1"}})
                start = time.perf_counter()
                with Connection(service.port) as connection:
                    connection.exchange(request)
                durations.append(time.perf_counter() - start)
                self.check_done(function)
            return Measured(max(durations), service.peak_mib())

    def check_done(self, function):
        """Stops if the last delivery became a dead letter, which the response does not tell."""
        with (self.city.state / "warehouse/monitoring_audit/logs.csv").open(newline="") as log:
            last = [row for row in csv.DictReader(log) if row["function"] == function][-1]
        if last["error_message"]:
            raise SystemExit(f"{function} failed at {self.city.counters} counters: {last['error_message']}")


def rows_of(path):
    """Returns the number of rows of a gzipped file without its header."""
    with gzip.open(path) as file:
        return sum(1 for _ in file) - 1
