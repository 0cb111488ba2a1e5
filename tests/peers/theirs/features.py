"""Reads a training file, builds its features with pandas and writes them as Parquet.

Usage: features.py train_baseline.csv.gz OUT.parquet
"""

import sys

from common import COLUMNS, pandas_features, report


def main():
    counts, out = sys.argv[1:]
    frame = pandas_features().features(counts)
    frame[["hour_utc", *COLUMNS, "count"]].to_parquet(out)
    report(rows=len(frame))


if __name__ == "__main__":
    main()
