"""A forecast service with FastAPI, pandas and the model of the champion.

Reads MODEL, the folder of a model, COUNTS, a file with the counts of the last days, and DAY, the day
to forecast. The features and correction factors of the day are computed once, at the start. A request
looks up its rows, forecasts them and corrects them, without the intervals that `predict` adds.
"""

import os

import numpy as np
import pandas as pd
from common import COLUMNS, COUNT, HOUR, NAME, python_model
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

code = python_model()


class Record(BaseModel):
    """A counter and an hour."""

    nom_du_compteur: str
    date_et_heure_de_comptage: str


class Request(BaseModel):
    """The records to forecast."""

    records: list[Record]


class Champion:
    """The model, and the features and factors of one day."""

    def __init__(self, folder, counts, day):
        self.model = code.Forecast(folder)
        self.model.booster.set_param({"nthread": 1})
        table = pd.read_csv(counts, usecols=[NAME, HOUR, COUNT, code.LOCATION])
        first = pd.Timestamp(day, tz=code.PARIS)
        hours = pd.date_range(first, (first + pd.Timedelta("36h")).normalize(), freq="h", inclusive="left")
        names = table[NAME].unique()
        future = pd.MultiIndex.from_product([names, hours.tz_convert("UTC")], names=[NAME, HOUR]).to_frame(index=False)
        future[HOUR] = future[HOUR].dt.strftime("%Y-%m-%d %H:%M:%S UTC")
        counts = code.Counts(pd.concat([table, future], ignore_index=True))
        number = int(np.datetime64(day, "D").astype(int))
        position = slice(counts.start(number), counts.start(number + 1))
        alone, corrected = (self.model.forecast(counts, [number], flag)[position] for flag in (False, True))
        codes = np.array([self.model.codes.get(key, np.nan) for key in counts.keys])
        values = code.day_features(counts, number, codes).reshape(-1, len(COLUMNS))
        index = pd.MultiIndex.from_product([hours.tz_convert("UTC"), counts.keys])
        self.rows = pd.DataFrame(values, index=index, columns=COLUMNS)
        with np.errstate(all="ignore"):
            self.rows["factor"] = np.where(alone > 0, corrected / alone, 0).ravel()
        self.keys = {name: code.fold(name) for name in names}

    def forecast(self, records):
        frame = pd.DataFrame(records)
        hours = pd.to_datetime(frame[HOUR], utc=True)
        keys = frame[NAME].map(self.keys)
        rows = self.rows.reindex(pd.MultiIndex.from_arrays([hours, keys]))
        roots = self.model.booster.inplace_predict(rows[COLUMNS].to_numpy(), validate_features=False)
        alone = np.maximum(roots, 0).astype("float64") ** 2 * self.model.bias_factor
        frame = pd.DataFrame({"model_prediction": alone, "correction": rows["factor"].to_numpy()})
        frame["prediction"] = frame["model_prediction"] * frame["correction"]
        return frame.to_dict("records")


champion = Champion(os.environ["MODEL"], os.environ["COUNTS"], os.environ["DAY"])
app = FastAPI()


@app.get("/livez")
async def livez():
    """Answers that the service is alive."""
    return JSONResponse({})


@app.post("/v1/predict")
async def predict(request: Request):
    """Forecasts the records of a request."""
    records = [vars(record) for record in request.records]
    return JSONResponse({"predictions": champion.forecast(records)})
