"""Checks a week for drift with Evidently.

Usage: drift.py REFERENCE.parquet WEEK.parquet

Both files have the features already, so this does less than `bike-traffic drift-check`.
"""

import sys
import warnings

import pandas as pd
from common import COUNT, DRIFT_COLUMNS, NAME, report
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def main():
    warnings.simplefilter("ignore")
    columns = [NAME, *(column for column in DRIFT_COLUMNS if column != "counter")]
    reference, week = (pd.read_parquet(path, columns=columns) for path in sys.argv[1:])
    numerical = [column for column in columns if column != NAME]
    definition = DataDefinition(numerical_columns=numerical, categorical_columns=[NAME])
    datasets = [Dataset.from_pandas(frame, definition) for frame in (week, reference)]
    metrics = Report([DataDriftPreset()]).run(*datasets).dict()["metrics"]
    scores = {metric["config"]["column"]: float(metric["value"]) for metric in metrics if "column" in metric["config"]}
    report(scores={"counter" if column == NAME else column: score for column, score in scores.items()},
           share=metrics[0]["value"]["share"])


if __name__ == "__main__":
    main()
