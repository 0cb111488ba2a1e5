"""Scores two models on the fixed test set and on a week with scikit-learn, each without corrections.

Usage: score.py FOLDER CHAMPION CHALLENGER

FOLDER has the features of both periods. The other arguments are folders of models. The function
`evaluate` also forecasts the week as served, resamples its days, and scores counters and hours.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost
from common import COLUMNS, COUNT, NAME, python_model, report
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score


def main():
    folder, *models = map(Path, sys.argv[1:])
    fold = python_model().fold
    results = {}
    for period in ("reference", "week"):
        frame = pd.read_parquet(folder / f"{period}.parquet")
        results[period] = [score(frame, model, fold) for model in models]
    report(**results)


def score(frame, model, fold):
    card = json.loads((model / "card.json").read_text())
    code = {key: position for position, key in enumerate(card["features"]["counters"])}
    values = frame[COLUMNS].to_numpy("float32")
    names = {name: code.get(fold(name), np.nan) for name in frame[NAME].unique()}
    values[:, 0] = frame[NAME].map(names)
    booster = xgboost.Booster(model_file=model / "model.ubj")
    forecasts = np.maximum(booster.inplace_predict(values), 0) ** 2 * card["bias_factor"]
    forecasts[frame["silent"]] = 0
    counts = frame[COUNT].to_numpy()
    return {
        "mae": float(mean_absolute_error(counts, forecasts)),
        "rmse": float(mean_squared_error(counts, forecasts) ** 0.5),
        "r2": float(r2_score(counts, forecasts)),
    }


if __name__ == "__main__":
    main()
