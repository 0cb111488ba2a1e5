"""The folder of a comparison: data, the state of a whole run, and the files that the other side reads."""

import datetime
import gzip
import json
import os
import shutil
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from measure import run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
THEIRS = HERE / "theirs"
PARIS = ZoneInfo("Europe/Paris")
VARIABLES = ["TRAIN_DATA_PATH", "TEST_DATA_PATH", "LIVE_DATA_PATH"]
# The counters of Paris, for sample data.
COUNTERS = 56
# The release binaries that the pairs use.
PROGRAMS = ["bike-traffic", "evaluate", "predict"]
# The prefixes of variables that tell OpenMP's threads how to wait.
OPENMP = ("OMP_", "GOMP_")
# The days of counts that a published forecast is computed from.
COUNT_DAYS = 58


class Workspace:
    """The inputs of all pairs."""

    def __init__(self, folder, binaries, counters):
        self.folder, self.binaries, self.counters = folder, binaries, counters
        self.is_real = all(os.environ.get(name) for name in VARIABLES)
        # bike-traffic lets its threads sleep by itself. Python gets the variable for it.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(OPENMP)}
        self.environment.pop("RUST_LOG", None)

    def require_programs(self):
        """Stops if a program is missing, before minutes are spent on the others."""
        missing = [name for name in PROGRAMS if not (self.binaries / name).exists()]
        if missing or not self.bench_program():
            names = ", ".join(missing or ["the bench speed"])
            raise SystemExit(f"cannot find {names} in {self.binaries}; to build all programs, run `make bench-peers`")

    def bench_program(self):
        """Returns the newest program of the bench `speed`, or None."""
        programs = [path for path in (self.binaries / "deps").glob("speed-*") if not path.suffix]
        return max(programs, key=lambda path: path.stat().st_mtime, default=None)

    def prepare(self, say):
        """Makes the data, the state and the files of the other side. Takes a few minutes."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if not self.is_real:
            say(f"making sample data of {self.counters} counters")
            self.bike_traffic("sample-data", "--counters", self.counters, "--out", self.folder / "data")
        self.environment |= dict(zip(VARIABLES, map(str, self.data())))
        say("running the weeks of the live data, which takes one to three minutes")
        self.bike_traffic("run", "--states", self.folder / "states")
        say("making the files of the other side")
        self.concatenate()
        self.bike_traffic("features", "--input", self.all_counts, "--out", self.folder / "all.parquet")
        self.shift_tables()
        train, test, _ = self.data()
        champion = self.model(self.champion())
        self.python("prepare.py", self.folder, self.week, test, champion)
        self.python("train.py", train, self.folder / "params.json", self.folder / "theirs.ubj", self.folder)

    def reuse(self):
        """Uses the files of an earlier call of `prepare`."""
        self.environment |= dict(zip(VARIABLES, map(str, self.data())))

    def data(self):
        """Returns the paths of training data, fixed test set and live data."""
        if self.is_real:
            return [Path(os.environ[name]).absolute() for name in VARIABLES]
        names = ["train_baseline", "test_baseline", "live"]
        return [self.folder / "data" / f"{name}.csv.gz" for name in names]

    @property
    def all_counts(self):
        return self.folder / "all.csv"

    @property
    def state(self):
        """The state of the run."""
        return next((self.folder / "states").glob("run-*"))

    @property
    def week(self):
        """The last week that the run has judged, such as 2021-W33."""
        reports = (self.state / "objects/reports/drift-check").glob("*.json")
        return max(report.stem for report in reports)

    def registry(self):
        """Returns the contents of the model registry."""
        return json.loads((self.state / "registry/registry/bike-traffic-champion.json").read_text())

    def model(self, version):
        """Returns the folder of a registered model."""
        versions = {known["version"]: known for known in self.registry()["versions"]}
        return self.state / "objects" / versions[version]["run"]["artifacts"]

    def champion(self):
        return self.registry()["aliases"]["champion"]

    def newest_challenger(self):
        """Returns the last version that was trained by fine-tuning and is not the champion."""
        versions = [known["version"] for known in self.registry()["versions"]]
        return max(version for version in versions if version not in (1, self.champion()))

    def bike_traffic(self, command, *arguments):
        """Runs a command of bike-traffic."""
        return run([self.binaries / "bike-traffic", command, *arguments], self.environment)

    def python(self, script, *arguments):
        """Runs a script of the other side."""
        passive = {"OMP_WAIT_POLICY": "passive"}
        return run([sys.executable, THEIRS / script, *arguments], self.environment | passive)

    def spinning_python(self, script, *arguments):
        """Runs a script of the other side whose waiting threads keep their cores busy, as is the default of OpenMP."""
        return run([sys.executable, THEIRS / script, *arguments], self.environment)

    def function_variables(self, state):
        """Returns the environment of a function that works on a local state."""
        ports = {"STORE_URL": "objects", "WAREHOUSE_URL": "warehouse", "MLFLOW_TRACKING_URI": "registry", "BUS_URL": "bus"}
        addresses = {variable: f"file://{state / name}" for variable, name in ports.items()}
        return addresses | {"PUSH_AUDIENCE": "off", "OMP_WAIT_POLICY": "passive"}

    def concatenate(self):
        """Writes the three files of counts as one, because features need the counts before them."""
        header = None
        with self.all_counts.open("wb") as output:
            for path in self.data():
                opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
                with opened as counts:
                    first = next(counts).strip().removeprefix(b"\xef\xbb\xbf")
                    if header is None:
                        header = first
                        output.write(header + b"\n")
                    elif first != header:
                        raise SystemExit(f"cannot compare: the header of {path} differs from that of the training data")
                    shutil.copyfileobj(counts, output)

    def shift_tables(self):
        """Copies the state with its last daily tables moved to the present by whole weeks.

        The function predict forecasts the days after the last table, if that is of the last weeks.
        """
        shutil.copytree(self.state, self.serving_state)
        tables = self.serving_state / "warehouse/bike_traffic_raw"
        days = sorted(tables.glob("daily_*.csv"))
        last = datetime.datetime.strptime(days[-1].stem, "daily_%Y%m%d").date()
        yesterday = datetime.date.today() - datetime.timedelta(days=1)
        shift = datetime.timedelta(weeks=(yesterday - last).days // 7)
        shutil.rmtree(self.serving_state / "warehouse/.generations/bike_traffic_raw", ignore_errors=True)
        shifted = {}
        for path in days:
            text = path.read_text()
            path.unlink()
            header, *lines = text.splitlines()
            day = datetime.datetime.strptime(path.stem, "daily_%Y%m%d").date() + shift
            shifted[day] = [header, *(shift_line(line, shift) for line in lines)]
        for day, lines in shifted.items():
            (tables / f"daily_{day:%Y%m%d}.csv").write_text("\n".join(lines) + "\n")
        recent = [lines for day, lines in shifted.items() if day > last + shift - datetime.timedelta(days=COUNT_DAYS)]
        rows = [recent[0][0], *(line for lines in recent for line in lines[1:])]
        (self.folder / "serving.csv").write_text("\n".join(rows) + "\n")
        (self.folder / "serving.json").write_text(json.dumps({"day": str(last + shift + datetime.timedelta(days=1))}))

    @property
    def serving_state(self):
        return self.folder / "serving"

    def serving_day(self):
        """Returns the day that a service forecasts."""
        return datetime.date.fromisoformat(json.loads((self.folder / "serving.json").read_text())["day"])


def shift_line(line, shift):
    """Moves the hour of a row by whole weeks of local time."""
    count, hour, rest = line.split(",", 2)
    if hour not in SHIFTED:
        instant = datetime.datetime.strptime(hour, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=datetime.UTC)
        local = (instant.astimezone(PARIS).replace(tzinfo=None) + shift).replace(tzinfo=PARIS)
        SHIFTED[hour] = local.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{count},{SHIFTED[hour]},{rest}"


SHIFTED = {}
