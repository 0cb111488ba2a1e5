"""Training: `bike-traffic train` as a whole process against `xgboost.train` alone on the same matrix,
and against the same work with pandas and XGBoost."""

import json
import shutil

from table import Row, both


class Training:
    """Trains on the training file, each time in a new state."""

    repetitions = 3

    def __init__(self, work):
        self.work = work
        self.counts, self.test, _ = work.data()
        self.state = work.folder / "trained"

    def ours(self):
        shutil.rmtree(self.state, ignore_errors=True)
        run = self.work.bike_traffic(
            "train", "--state", self.state, "--train-path", self.counts, "--test-path", self.test,
            "--allow-worse-than-naive", "--json",
        )
        return {"seconds": run.seconds, "peak": run.peak_mib}

    def theirs(self):
        bare = self.work.python("bare_train.py", self.work.folder).json()
        spinning = self.work.spinning_python("bare_train.py", self.work.folder).json()
        whole = self.work.python("train.py", self.counts, self.work.folder / "params.json", self.work.folder / "theirs.ubj")
        return {
            "bare": bare["train"],
            "with matrix": bare["matrix"] + bare["train"],
            "spinning": spinning["train"],
            "seconds": whole.seconds,
            "peak": whole.peak_mib,
        }

    def check(self):
        """Compares the forecasts of the three models for the rows of the training."""
        registry = json.loads((self.state / "registry/registry/bike-traffic-champion.json").read_text())
        model = self.state / "objects" / registry["versions"][0]["run"]["artifacts"] / "model.ubj"
        differences = []
        for other in ("bare.ubj", "theirs.ubj"):
            found = self.work.python("compare_models.py", self.work.folder, model, self.work.folder / other).json()
            differences.append(found["difference"])
        assert max(differences) < 1e-3, f"the forecasts of the models differ by {differences} on average"
        return f"training: the forecasts of the models differ by {max(differences):g} bicycles on average"

    def rows(self, ours, theirs):
        seconds = [sample["seconds"] for sample in ours]
        return [
            Row("training, whole process, against `xgboost.train` alone", seconds, [sample["bare"] for sample in theirs], "s", kind="share", goal=1.05),
            Row("the same against making the matrix and `xgboost.train`", seconds, [sample["with matrix"] for sample in theirs], "s", kind="share"),
            Row("the same against `xgboost.train` alone, with threads that spin while they wait", seconds, [sample["spinning"] for sample in theirs], "s", kind="share"),
            Row("training, whole process (pandas, XGBoost)", *both(ours, theirs, "seconds"), "s"),
            Row("memory of training (pandas, XGBoost)", *both(ours, theirs, "peak"), "MiB", kind="share", goal=0.4),
        ]
