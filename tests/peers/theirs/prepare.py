"""Writes the inputs of the other scripts, from the features that `bike-traffic features` has written.

Usage: prepare.py FOLDER WEEK TEST_COUNTS MODEL

- reference.parquet, week.parquet: the features of the fixed test set and of a week
- matrix.npy, labels.npy, weights.npy, by train.py: the rows that the model in the folder MODEL was trained on
- params.json: the parameters of its training
"""

import datetime
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from common import COLUMNS, COUNT, HOUR, report

PARIS = "Europe/Paris"


def main():
    folder, week, test_counts, model = sys.argv[1:]
    folder = Path(folder)
    features = pd.read_parquet(folder / "all.parquet")
    hours = pd.read_csv(test_counts, sep=";", usecols=["Date et heure de comptage"]).iloc[:, 0]
    hours = pd.to_datetime(hours, utc=True, format="ISO8601")
    is_reference = features[HOUR].between(hours.min(), hours.max())
    features[is_reference].to_parquet(folder / "reference.parquet")
    monday = pd.Timestamp(datetime.datetime.strptime(f"{week}-1", "%G-W%V-%u"), tz=PARIS)
    days = features[HOUR].dt.tz_convert(PARIS)
    is_week = (days >= monday) & (days < (monday + pd.Timedelta("7D")).normalize())
    features[is_week].to_parquet(folder / "week.parquet")

    card = json.loads((Path(model) / "card.json").read_text())
    params = card["params"] | {"num_boost_round": card["rounds"]}
    (folder / "params.json").write_text(json.dumps(params))
    report(reference=int(is_reference.sum()), week=int(is_week.sum()))


if __name__ == "__main__":
    main()
