"""Loads the champion from an MLflow server with its Python client, and prints its contents as JSON.

    MLFLOW_TRACKING_URI=http://127.0.0.1:5000 predict_champion.py MODEL FOLDER

MODEL is the name of the registered model. FOLDER is the path of the same model on this machine.
Predictions are square roots of counts; forecasts are calculated from them with the bias factor of
the model card.
"""

import json
import sys
from pathlib import Path

import mlflow
import xgboost


def main():
    name, folder = sys.argv[1:]
    uri = f"models:/{name}@champion"
    downloaded = mlflow.artifacts.download_artifacts(uri)
    example = mlflow.models.Model.load(downloaded).load_input_example(downloaded)
    rows = xgboost.DMatrix(example)
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias(name, "champion")
    run = client.get_run(version.run_id)
    predictions = {
        "registry": mlflow.xgboost.load_model(uri).predict(rows).tolist(),
        "folder": mlflow.xgboost.load_model(folder).predict(rows).tolist(),
        "function": mlflow.pyfunc.load_model(uri).predict(example).tolist(),
    }
    card = json.loads((Path(downloaded) / "card.json").read_text())

    def forecasts(values):
        return [max(value, 0) ** 2 * card["bias_factor"] for value in values]

    seen = {
        "rows": json.loads(example.to_json(orient="values", double_precision=15)),
        "predictions": predictions,
        "forecasts": {loader: forecasts(values) for loader, values in predictions.items()},
        "metadata": mlflow.models.Model.load(downloaded).metadata,
        "version": {"number": version.version, "aliases": list(version.aliases), "tags": version.tags},
        "run": {
            "name": run.info.run_name,
            "status": run.info.status,
            "end_time": run.info.end_time,
            "tags": run.data.tags,
            "params": run.data.params,
            "metrics": run.data.metrics,
        },
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
