"""The parts that the scripts of the other side share."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[3]
NAME, HOUR, COUNT = "nom_du_compteur", "date_et_heure_de_comptage", "comptage_horaire"
# The features that a model gets, in its order.
COLUMNS = [
    *("counter", "hour", "weekday", "latitude", "longitude"),
    *("holiday", "holiday_day_before", "holiday_week_before"),
    *(f"count_{24 * days}h_earlier" for days in [1, 2, 3, 4, 5, 6, 7, 14, 21, 28]),
    *("weekly_mean", "weekly_median", "mean_of_day", "mean_of_week", "mean_of_four_weeks"),
]
CALENDAR = ["weekday", "holiday", "holiday_day_before", "holiday_week_before"]
# The columns that a drift check compares: the count, and all features but those of the calendar.
DRIFT_COLUMNS = [COUNT, *(column for column in COLUMNS if column not in CALENDAR)]


def load(path):
    """Returns a module of the repository that is in no package."""
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python_model():
    """Returns the module with the Python code of a model."""
    return load("shared/model/src/mlflow/forecast.py")


def pandas_features():
    """Returns the module that builds the features with pandas."""
    return load("cli/benches/speed/pandas_features.py")


def parameters(path):
    """Returns the parameters of a training and its number of rounds."""
    params = json.loads(Path(path).read_text())
    return params, params.pop("num_boost_round")


def weights(counts):
    """Returns the weights of the rows of a training: fourth roots with the mean 1."""
    roots = np.sqrt(np.sqrt(counts.astype("float64") + 4))
    return (roots / roots.mean()).astype("float32")


def report(**results):
    """Prints results as the last line of the output."""
    print(json.dumps(results))
