"""Reading the training file and building its features: in one process that repeats it, and as whole
processes that write them as Parquet."""

import re
import sys

from measure import run
from table import Row, both
from workspace import ROOT

# pandas sums in another order.
TOLERANCE = 1e-5


class Features:
    """Builds the features of the training file."""

    repetitions = 5

    def __init__(self, work):
        self.work = work
        self.counts = work.data()[0]

    def ours(self):
        run = self.work.bike_traffic("features", "--input", self.counts, "--out", self.work.folder / "ours.parquet")
        return {"seconds": run.seconds, "peak": run.peak_mib}

    def theirs(self):
        run = self.work.python("features.py", self.counts, self.work.folder / "theirs.parquet")
        return {"seconds": run.seconds, "peak": run.peak_mib}

    def check(self):
        """Compares all features of all rows."""
        found = self.work.python(
            "compare_features.py", self.work.folder / "ours.parquet", self.work.folder / "theirs.parquet"
        ).json()
        assert found["difference"] <= TOLERANCE, f"a feature differs by {found['difference']}"
        return f"features: the 22 numbers of {found['rows']:,} rows differ by at most {found['difference']:.0e} of their value"

    def rows(self, ours, theirs):
        return [
            Row("features of the training file to Parquet, whole process (pandas)", *both(ours, theirs, "seconds", 1e3), "ms"),
            Row("memory of building the features", *both(ours, theirs, "peak"), "MiB", kind="share"),
        ]


class WarmFeatures:
    """Builds the features repeatedly in one process: the bench `speed`, and pandas without its import."""

    repetitions = 3

    def __init__(self, work):
        self.work = work

    def ours(self):
        output = run([self.work.bench_program(), "--bench", "features"], self.work.environment).output
        return median_of(output, r"build the features of (\d+) rows: median ([\d.]+) ms")

    def theirs(self):
        script = ROOT / "cli/benches/speed/pandas_features.py"
        output = run([sys.executable, script, self.work.data()[0]], self.work.environment).output
        return median_of(output, r"build the features of (\d+) rows: median ([\d.]+) ms")

    def check(self):
        """The features are those of `Features`."""
        return None

    def rows(self, ours, theirs):
        return [Row("features of the training file, in one process (pandas)", *both(ours, theirs, "ms"), "ms", goal=12)]


def median_of(output, pattern):
    """Returns the median that a benchmark has printed, in milliseconds."""
    found = re.search(pattern, output)
    if not found:
        raise SystemExit(f"cannot find the median of the features in the output: {output}")
    return {"rows": int(found[1]), "ms": float(found[2])}
