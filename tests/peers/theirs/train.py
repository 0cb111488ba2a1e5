"""Trains a model with pandas and XGBoost as `bike-traffic train` does: reads the counts, builds the
features, leaves out the rows in outages, and boosts the square roots of the counts, weighted.

Usage: train.py train_baseline.csv.gz PARAMS.json MODEL.ubj [MATRIX_FOLDER]

Writes the matrix, the labels and the weights into MATRIX_FOLDER as well, for bare_train.py. Prints the seconds of
each step.
"""

import sys
import time
from pathlib import Path

import numpy as np
import xgboost
from common import COLUMNS, pandas_features, parameters, python_model, report, weights


def main():
    counts, params, model, *matrix_folder = sys.argv[1:]
    start = time.perf_counter()
    frame = pandas_features().features(counts)
    encode(frame)
    frame = frame[~frame["outage"]]
    values = frame[COLUMNS].to_numpy("float32")
    targets = frame["count"].to_numpy("float32")
    labels, of_rows = np.sqrt(targets), weights(targets)
    if matrix_folder:
        np.save(Path(matrix_folder[0]) / "matrix.npy", values)
        np.save(Path(matrix_folder[0]) / "labels.npy", labels)
        np.save(Path(matrix_folder[0]) / "weights.npy", of_rows)
    featured = time.perf_counter()
    params, rounds = parameters(params)
    matrix = xgboost.QuantileDMatrix(values, labels, weight=of_rows)
    booster = xgboost.train(params, matrix, rounds)
    booster.save_model(model)
    report(rows=len(values), features=featured - start, training=time.perf_counter() - featured)


def encode(frame):
    """Replaces the category codes by positions in the list of folded names, as in a model card."""
    fold = python_model().fold
    keys = [fold(name) for name in frame.attrs["counters"]]
    position = {key: code for code, key in enumerate(sorted(keys))}
    codes = np.array([position[key] for key in keys])
    frame["counter"] = codes[frame["counter"]]


if __name__ == "__main__":
    main()
