"""Loads the champion from an MLflow server with its Python client, and prints its contents as JSON.

    MLFLOW_TRACKING_URI=http://127.0.0.1:5000 predict_champion.py MODEL FOLDER COUNTS [FEATURES]

MODEL is the name of the registered model. FOLDER is the path of the same model on this machine.
COUNTS is a CSV file of raw counts; rows to forecast have no count. FEATURES is a CSV file of feature
rows for the booster alone, which predicts square roots of counts.
"""

import json
import sys
from pathlib import Path

import mlflow
import pandas
import xgboost


def main():
    name, folder, counts, *features = sys.argv[1:]
    uri = f"models:/{name}@champion"
    counts = pandas.read_csv(counts)
    function = mlflow.pyfunc.load_model(uri)
    downloaded = mlflow.artifacts.download_artifacts(uri)
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias(name, "champion")
    seen = {
        "forecasts": {
            "registry": forecasts(function, counts),
            "folder": forecasts(mlflow.pyfunc.load_model(folder), counts),
        },
        "example": function.predict(function.input_example).tolist(),
        "metadata": mlflow.models.Model.load(downloaded).metadata,
        "version": {
            "number": version.version,
            "aliases": list(version.aliases),
            "tags": version.tags,
            "description": version.description,
        },
        "run": describe_run(client, version.run_id),
        "logged_model": describe_model(client, function.metadata.model_id),
    }
    if features:
        rows = xgboost.DMatrix(pandas.read_csv(features[0]))
        seen["predictions"] = {
            "registry": mlflow.xgboost.load_model(uri).predict(rows).tolist(),
            "folder": mlflow.xgboost.load_model(folder).predict(rows).tolist(),
        }
    print(json.dumps(seen))


def forecasts(function, counts):
    """Returns forecasts of a table with snake-case columns, and of one with the public header."""
    french = counts.rename(columns={
        "nom_du_compteur": "Nom du compteur",
        "date_et_heure_de_comptage": "Date et heure de comptage",
        "comptage_horaire": "Comptage horaire",
        "coordonnees_geographiques": "Coordonnées géographiques",
    })
    return {
        "corrected": function.predict(counts).tolist(),
        "uncorrected": function.predict(french, params={"correct": False}).tolist(),
    }


def describe_run(client, run_id):
    run = client.get_run(run_id)
    curves = [key for key in run.data.metrics if key.startswith("training/")]
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "start_time": run.info.start_time,
        "end_time": run.info.end_time,
        "tags": run.data.tags,
        "params": run.data.params,
        "metrics": {key: value for key, value in run.data.metrics.items() if key not in curves},
        "curves": {
            key: [[point.step, point.value] for point in client.get_metric_history(run_id, key)]
            for key in curves
        },
        "inputs": [
            {"name": data.name, "profile": data.profile, "schema": data.schema}
            for data in (item.dataset for item in run.inputs.dataset_inputs)
        ],
        "outputs": [model.model_id for model in run.outputs.model_outputs],
    }


def describe_model(client, model_id):
    model = client.get_logged_model(model_id)
    return {
        "id": model.model_id,
        "run": model.source_run_id,
        "status": str(model.status),
        "tags": model.tags,
        "metrics": {metric.key: metric.value for metric in model.metrics or []},
    }


if __name__ == "__main__":
    main()
