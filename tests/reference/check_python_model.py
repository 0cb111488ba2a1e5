"""Checks the Python code that is stored with each model against tests/reference/forecast.py and the
published forecasts of functions/predict/src/fixtures, and prints the greatest differences.

    check_python_model.py

Requires the packages of functions/predict/src/fixtures/make_fixtures.py. The features of all hours,
the silent rows, and the published forecasts of a day must be equal, with French and with snake-case
columns, in any order of the rows. The reference shares no code with the model. Names and hours
without an offset are read as the program reads them.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import forecast as reference  # noqa: E402

CODE = ROOT / "shared/model/src/mlflow/forecast.py"
FIXTURES = ROOT / "functions/predict/src/fixtures"
COUNTS = ROOT / "shared/forecasting/tests/fixtures/features"
SNAKE_CASE = ["nom_du_compteur", "date_et_heure_de_comptage", "comptage_horaire"]


def main():
    code = load()
    check_names(code)
    check_repeated_hours(code)
    for name in ["counts.csv", "spring_counts.csv"]:
        check_features(code, COUNTS / name)
    check_published(code)


def load():
    spec = importlib.util.spec_from_file_location("python_model", CODE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_names(code):
    for name in ["Quai d'Orsay E-O", "Quai d\u2019Orsay E\u2013O", "QUAI D`ORSAY  E\u2212O", "Quai\u00a0d\u00b4Or\u00adsay E-O"]:
        assert code.fold(name) == "quai d'orsay e-o", name
    assert code.fold("E\u0301glise") == code.fold("\u00c9glise") == "eglise"
    print("spellings of a name are one counter")


def check_repeated_hours(code):
    """The counter 0 has the repeated hour twice, the counter 1 once."""
    hours = ["2020-10-25 01:00", "2020-10-25 02:00", "2020-10-25 02:00", "2020-10-25 02:00", "2020-10-25T02:00:00+02:00"]
    counters = np.array([0, 0, 1, 0, 2])
    expected = ["2020-10-24T23:00Z", "2020-10-25T00:00Z", "2020-10-25T01:00Z", "2020-10-25T01:00Z", "2020-10-25T00:00Z"]
    expected = pd.to_datetime(expected, utc=True)
    assert list(code.instants(pd.Series(hours), counters)) == list(expected)
    local = pd.to_datetime(pd.Series(hours[:4]))
    assert list(code.instants(local, counters[:4])) == list(expected[:4])
    print("hours without an offset are those of the program")


def check_features(code, path):
    rows = reference.read_counts([path])
    series = reference.Series(rows)
    counts = code.Counts(pd.read_csv(path, sep=reference.separator(path)))
    order = {key: position for position, key in enumerate(counts.keys)}
    # The order of the reference is that of the folded names.
    columns = [order[key] for key in sorted(order)]
    codes = np.argsort(columns).astype(float)
    for day in range(int(series.first_day), int(series.last_day) + 1):
        expected, silent = reference.features_of_day(series, day)
        found = code.day_features(counts, day, codes)[:, columns]
        np.testing.assert_array_equal(found, expected, str(np.datetime64(day, "D")))
        np.testing.assert_array_equal(counts.silent(day)[columns], silent)
    print(f"{path.name}: the features of {series.last_day - series.first_day + 1} days are equal")


def check_published(code):
    published = pd.read_csv(FIXTURES / "published.csv")
    published["key"] = published["counter"].map(code.fold)
    published["instant"] = pd.to_datetime(published["instant"], utc=True)
    path = COUNTS / "spring_counts.csv"
    french = pd.read_csv(path, sep=reference.separator(path))
    label = {code.column_name(label): label for label in french.columns}
    first = published["instant"].min()
    hours = pd.to_datetime(french[label["date_et_heure_de_comptage"]], utc=True)
    before = french[hours < first]
    target = pd.DataFrame({
        label["nom_du_compteur"]: published["counter"],
        label["date_et_heure_de_comptage"]: published["instant"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        label["comptage_horaire"]: np.nan,
    })
    rows = pd.concat([before, target], ignore_index=True)
    snake_case = rows.rename(columns={label[name]: name for name in SNAKE_CASE})
    with tempfile.TemporaryDirectory() as folder:
        for name in ["model.ubj", "card.json"]:
            Path(folder, name).write_bytes((FIXTURES / name).read_bytes())
        model = code._load_pyfunc(folder)
    tables = {"French": rows, "snake-case": snake_case, "shuffled": rows.sample(frac=1, random_state=1)}
    expected = {True: published["prediction"], False: published["model_prediction"]}
    for name, table in tables.items():
        for is_corrected, values in expected.items():
            found = model.predict(table, {"correct": is_corrected})
            assert found.index.equals(table.index), name
            difference = (found.loc[rows.index[-len(values):]].to_numpy() - values).abs().max()
            print(json.dumps({"columns": name, "correct": is_corrected, "forecasts": len(values),
                              "greatest_difference": float(difference)}))
            assert difference < 1e-4, name


if __name__ == "__main__":
    main()
