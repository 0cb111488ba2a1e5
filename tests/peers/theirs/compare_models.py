"""Compares two models on the training matrix, and prints the differences of their forecasts.

Usage: compare_models.py FOLDER OURS.ubj THEIRS.ubj
"""

import sys
from pathlib import Path

import numpy as np
import xgboost
from common import report


def main():
    folder, *models = sys.argv[1:]
    values = np.load(Path(folder) / "matrix.npy")
    counts = np.load(Path(folder) / "labels.npy") ** 2
    ours, theirs = (np.maximum(xgboost.Booster(model_file=model).inplace_predict(values), 0) ** 2 for model in models)
    report(
        difference=float(np.abs(ours - theirs).mean()),
        ours_mae=float(np.abs(ours - counts).mean()),
        theirs_mae=float(np.abs(theirs - counts).mean()),
    )


if __name__ == "__main__":
    main()
