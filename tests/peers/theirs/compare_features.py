"""Compares two files of features, and prints the number of rows and the greatest relative difference.

Usage: compare_features.py OURS.parquet THEIRS.parquet

The category codes of counters are left out: they depend on the order of the names.
"""

import sys

import numpy as np
import pandas as pd
from common import COLUMNS, COUNT, HOUR, report


def main():
    ours, theirs = (pd.read_parquet(path) for path in sys.argv[1:])
    ours = ours.rename(columns={COUNT: "count", HOUR: "hour_utc"})
    keys = ["hour_utc", "latitude", "longitude", "count", "count_24h_earlier", "count_168h_earlier", "weekly_mean"]
    columns = [*COLUMNS[1:], "count"]
    left, right = (sort(frame, keys)[columns].to_numpy("float64") for frame in (ours, theirs))
    if left.shape != right.shape:
        raise SystemExit(f"the features have {left.shape} and {right.shape} rows and columns")
    if (np.isnan(left) != np.isnan(right)).any():
        raise SystemExit("other features are unknown")
    difference = np.nan_to_num(np.abs(left - right) / np.maximum(np.abs(left), 1.0))
    report(rows=len(left), difference=float(difference.max()))


def sort(frame, keys):
    """Sorts rows by values, rounded to those of the narrower type."""
    rounded = frame[keys].apply(lambda column: column if column.name == "hour_utc" else column.astype("float32").round(3))
    return frame.iloc[np.lexsort([rounded[key] for key in reversed(keys)])]


if __name__ == "__main__":
    main()
