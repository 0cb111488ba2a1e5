"""Runs the Python of docs/notebook.md and compares its output.

    check_notebook.py

Requires Python 3.11, mlflow 3.17.2, xgboost 3.2.0 and pandas 2.3.3. The champion is the model of
functions/predict/src/fixtures, with the Python code that is stored with each model. `counts.csv` is
shared/forecasting/tests/fixtures/features/spring_counts.csv.
"""

import doctest
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/notebook.md"
FIXTURES = ROOT / "functions/predict/src/fixtures"
COUNTS = ROOT / "shared/forecasting/tests/fixtures/features/spring_counts.csv"
CODE = ROOT / "shared/model/src/mlflow/forecast.py"
CHAMPION = "models:/bike-traffic-champion@champion"
DESCRIPTION = """\
flavors:
  python_function:
    code: code
    loader_module: bike_traffic_test
    python_version: '3.11'
mlflow_version: 3.17.2
signature:
  inputs: '[{columns}]'
  outputs: '[{{"type": "double", "name": "prediction", "required": true}}]'
  params: '[{{"name": "correct", "type": "boolean", "default": true, "shape": null}}]'
"""
COLUMNS = ["nom_du_compteur", "date_et_heure_de_comptage", "comptage_horaire"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model")
        write_model(model)
        shutil.copy(COUNTS, Path(folder, "counts.csv"))
        os.chdir(folder)
        page = PAGE.read_text().replace(CHAMPION, str(model))
        test = doctest.DocTestParser().get_doctest(page, {}, PAGE.name, str(PAGE), 0)
        assert len(test.examples) > 10, "the page has no examples"
        runner = doctest.DocTestRunner()
        runner.run(test)
        os.chdir(ROOT)
    failed, attempted = runner.summarize()
    print(f"{attempted} examples of {PAGE.name}, {failed} failed")
    sys.exit(failed > 0)


def write_model(model):
    (model / "code").mkdir(parents=True)
    shutil.copy(CODE, model / "code" / "bike_traffic_test.py")
    for name in ["model.ubj", "card.json"]:
        shutil.copy(FIXTURES / name, model)
    column = '{{"type": "any", "name": "{}", "required": false}}'
    columns = ", ".join(column.format(name) for name in COLUMNS)
    (model / "MLmodel").write_text(DESCRIPTION.format(columns=columns))


if __name__ == "__main__":
    main()
