"""Scoring two models on the fixed test set and a week, as whole processes: the function `evaluate`
against XGBoost and scikit-learn."""

import base64
import json
import shutil

from measure import Service, get, post
from table import Row, both

TOLERANCE = 1e-3


class Scoring:
    """Evaluates the last challenger of the run again. Each time is a new event."""

    repetitions = 5

    def __init__(self, work):
        self.work = work
        self.state = work.folder / "evaluated"
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(work.state, self.state)
        self.versions = work.champion(), work.newest_challenger()
        self.number = 0

    def ours(self):
        self.number += 1
        self.subject = f"{self.work.week}@bench-{self.number}"
        champion, challenger = self.versions
        event = {
            "type": "challenger-trained",
            "event_id": f"fine-tune/{self.subject}",
            "week": self.work.week,
            "champion": champion,
            "challenger": challenger,
        }
        data = base64.b64encode(json.dumps(event).encode()).decode()
        request = post("/", {"message": {"data": data, "messageId": str(self.number)}})
        with Service([self.work.binaries / "evaluate"], self.work.function_variables(self.state)) as service:
            service.first_answer(get("/livez"))
            seconds = service.first_answer(request)
            return {"seconds": seconds, "peak": service.peak_mib()}

    def theirs(self):
        self.scored = self.work.python("score.py", self.work.folder, *map(self.work.model, self.versions))
        return {"seconds": self.scored.seconds, "peak": self.scored.peak_mib}

    def check(self):
        """Compares the scores of both models on the fixed test set."""
        evaluation = json.loads((self.state / f"objects/evaluations/{self.subject}.json").read_text())
        ours = evaluation["comparison"]["fixed_test"]
        theirs = self.scored.json()["reference"]
        differences = [
            abs(ours[model][name] / expected[name] - 1)
            for model, expected in zip(("champion", "challenger"), theirs)
            for name in ("mae", "rmse", "r2")
        ]
        assert max(differences) <= TOLERANCE, f"a score differs by {max(differences)}"
        return f"scoring: MAE, RMSE and R2 of both models differ by at most {max(differences):.0e} of their value"

    def rows(self, ours, theirs):
        return [
            Row("evaluation of two models, whole process (XGBoost, scikit-learn: scores only)", *both(ours, theirs, "seconds", 1e3), "ms"),
            Row("memory of the evaluation", *both(ours, theirs, "peak"), "MiB", kind="share"),
        ]
