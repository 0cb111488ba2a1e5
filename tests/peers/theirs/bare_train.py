"""Trains on a matrix that is in memory already, with `xgboost.train` alone.

Usage: bare_train.py FOLDER

Prints the seconds of making the quantile matrix and of the call of `xgboost.train`.
"""

import sys
import time
from pathlib import Path

import numpy as np
import xgboost
from common import parameters, report


def main():
    folder = Path(sys.argv[1])
    names = ["matrix.npy", "labels.npy", "weights.npy"]
    values, labels, weights = (np.load(folder / name) for name in names)
    params, rounds = parameters(folder / "params.json")
    start = time.perf_counter()
    matrix = xgboost.QuantileDMatrix(values, labels, weight=weights)
    made = time.perf_counter()
    booster = xgboost.train(params, matrix, rounds)
    trained = time.perf_counter()
    booster.save_model(folder / "bare.ubj")
    report(rows=len(values), matrix=made - start, train=trained - made)


if __name__ == "__main__":
    main()
