"""The drift check of one week, as whole processes: bike-traffic against Evidently."""

import json

from table import Row, both

# Evidently computes in doubles on features in singles.
TOLERANCE = 1e-6


class Drift:
    """Checks the last week of the run."""

    repetitions = 5

    def __init__(self, work):
        self.work = work

    def ours(self):
        self.report = self.work.bike_traffic("drift-check", "--json", "--state", self.work.state, "--week", self.work.week)
        return {"seconds": self.report.seconds, "peak": self.report.peak_mib}

    def theirs(self):
        folder = self.work.folder
        self.checked = self.work.python("drift.py", folder / "reference.parquet", folder / "week.parquet")
        return {"seconds": self.checked.seconds, "peak": self.checked.peak_mib}

    def check(self):
        """Compares the score of each column and the share of drifted columns."""
        ours = json.loads(self.report.output)["drift"]
        theirs = self.checked.json()
        scores = {column["column"]: column["score"] for column in ours["columns"]}
        expected = theirs["scores"]
        assert scores.keys() == expected.keys(), f"the columns differ: {scores.keys() ^ expected.keys()}"
        difference = max(abs(scores[column] - expected[column]) for column in scores)
        assert difference <= TOLERANCE, f"a drift score differs by {difference}"
        assert ours["drifted_share"] == theirs["share"], "the shares of drifted columns differ"
        return f"drift check: the {len(scores)} scores differ by at most {difference:.0e}"

    def rows(self, ours, theirs):
        return [
            Row("drift check of a week, whole process (Evidently)", *both(ours, theirs, "seconds", 1e3), "ms", goal=150),
            Row("memory of the drift check", *both(ours, theirs, "peak"), "MiB", kind="share"),
        ]
