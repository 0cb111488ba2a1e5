"""Reads a training file and builds the features with pandas, for comparison with `make bench`.

Usage: python pandas_features.py train_baseline.csv.gz      (pandas 2.3.3 or 3.x, numpy, holidays)

The features are those of the Rust crate: one row per count, lags and rolling means on an hourly grid
per counter, and the calendar of Europe/Paris. All row operations are vectorized.
"""

import resource
import sys
import time

import holidays
import numpy as np
import pandas as pd

LAGS = [24, 48, 72, 96, 120, 144, 168, 336, 504, 672]
WEEKLY = [168, 336, 504, 672]


def features(path):
    raw = pd.read_csv(path, sep=";", usecols=["Nom du compteur", "Comptage horaire", "Date et heure de comptage", "Coordonnées géographiques"])
    hour = pd.to_datetime(raw["Date et heure de comptage"], utc=True, format="ISO8601")
    counter = raw["Nom du compteur"].astype("category")
    location = raw["Coordonnées géographiques"].astype("category")
    degrees = location.cat.categories.to_series().str.split(",", expand=True).astype(float)
    frame = pd.DataFrame({"hour_utc": hour, "counter": counter.cat.codes, "count": raw["Comptage horaire"].astype("float32")})
    frame["latitude"] = degrees[0].to_numpy()[location.cat.codes]
    frame["longitude"] = degrees[1].to_numpy()[location.cat.codes]
    frame = frame.sort_values(["hour_utc", "counter", "count"]).drop_duplicates(["hour_utc", "counter"], keep="last")

    grid = frame.pivot(index="hour_utc", columns="counter", values="count")
    grid = grid.reindex(pd.date_range(grid.index[0], grid.index[-1], freq="h"))
    row = grid.index.get_indexer(frame["hour_utc"])
    column = frame["counter"].to_numpy()
    pick = lambda table: table.to_numpy()[row, column]
    for lag in LAGS:
        frame[f"count_{lag}h_earlier"] = pick(grid.shift(lag))
    weekly = frame[[f"count_{lag}h_earlier" for lag in WEEKLY]].to_numpy()
    with np.errstate(all="ignore"):
        frame["weekly_mean"] = np.nanmean(weekly, axis=1)
        frame["weekly_median"] = np.nanmedian(weekly, axis=1)
    for name, window in [("day", 24), ("week", 168), ("four_weeks", 672)]:
        frame[f"mean_of_{name}"] = pick(grid.rolling(window, min_periods=1).mean().shift(24))

    local = grid.index.tz_convert("Europe/Paris")
    french = holidays.France(years=range(local[0].year - 1, local[-1].year + 2))
    dates = pd.Series(local.date)
    unique = dates.unique()
    is_holiday = lambda days: dates.map({day: (day + pd.Timedelta(days=days)) in french for day in unique}).to_numpy()
    frame["hour"] = local.hour.to_numpy()[row]
    frame["weekday"] = local.weekday.to_numpy()[row]
    frame["holiday"] = is_holiday(0)[row]
    frame["holiday_day_before"] = is_holiday(-1)[row]
    frame["holiday_week_before"] = is_holiday(-7)[row]
    return frame


if __name__ == "__main__":
    times = []
    for _ in range(5):
        start = time.perf_counter()
        rows = len(features(sys.argv[1]))
        times.append((time.perf_counter() - start) * 1e3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"pandas {pd.__version__}: read the training file and build the features of {rows} rows: "
          f"median {sorted(times)[len(times) // 2]:.0f} ms, peak memory {peak} MiB")
