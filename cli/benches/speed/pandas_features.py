"""Reads a training file and builds the features with pandas, for comparison with `make bench`.

Usage: python pandas_features.py train_baseline.csv.gz      (pandas 2.3.3 or 3.x, numpy, holidays)

The features are those of the Rust crate: one row per count, lags by local date and hour, means over
whole local days, outages unknown, and the calendar of Europe/Paris. All row operations are vectorized.
The category codes are positions in the list of names, see frame.attrs["counters"].
"""

import resource
import sys
import time
import warnings

import holidays
import numpy as np
import pandas as pd

LAGS = [1, 2, 3, 4, 5, 6, 7, 14, 21, 28]
WEEKLY = [7, 14, 21, 28]
MEANS = {"day": 1, "week": 7, "four_weeks": 28}


def outages(frame, hours):
    """Returns the hour from which on the counts show that each row is in an outage, or infinity."""
    by_counter = frame.sort_values(["counter", "hour_utc"])
    count, counter = by_counter["count"].to_numpy(), by_counter["counter"].to_numpy()
    is_first = np.ones(len(count), dtype=bool)
    is_first[1:] = (count[1:] != count[:-1]) | (counter[1:] != counter[:-1])
    first = np.flatnonzero(is_first)
    run = np.cumsum(is_first) - 1
    length = np.diff(np.append(first, len(count)))[run]
    minimum = np.where(count == 0, 24, 6)
    is_outage = (length >= minimum) & ((count == 0) | (count >= 5))
    hour = hours.get_indexer(by_counter["hour_utc"])
    known = hour[np.minimum(first[run] + minimum - 1, len(count) - 1)] + 1.0
    return pd.Series(np.where(is_outage, known, np.inf), index=by_counter.index).reindex(frame.index).to_numpy()


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

    hours = pd.date_range(frame["hour_utc"].min(), frame["hour_utc"].max(), freq="h")
    local = hours.tz_convert("Europe/Paris")
    row = hours.get_indexer(frame["hour_utc"])
    column = frame["counter"].to_numpy()
    grid = np.full((len(hours) + 1, column.max() + 1), np.nan, dtype="float32")
    outage_from = np.full(grid.shape, np.inf)
    grid[row, column] = frame["count"]
    outage_from[row, column] = outages(frame, hours)
    frame["outage"] = np.isfinite(outage_from[row, column])

    # The last row of the grid has no counts: hours that do not exist refer to it.
    # Of an hour that exists twice, the first one counts.
    wall = local.tz_localize(None)
    day, is_first = (wall.normalize() - wall[0].normalize()).days.to_numpy(), ~wall.duplicated()
    by_local = np.full((day[-1] + 1, 24), len(hours))
    by_local[day[is_first], wall.hour[is_first]] = np.flatnonzero(is_first)
    start = np.searchsorted(day, np.arange(day[-1] + 2))
    row_day, row_hour = day[row], wall.hour.to_numpy()[row]
    for lag in LAGS:
        earlier = np.where(row_day >= lag, by_local[row_day - lag, row_hour], len(hours))
        is_known = outage_from[earlier, column] > start[row_day]
        frame[f"count_{24 * lag}h_earlier"] = np.where(is_known, grid[earlier, column], np.nan)
    weekly = frame[[f"count_{24 * lag}h_earlier" for lag in WEEKLY]].to_numpy()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame["weekly_mean"] = np.nanmean(weekly, axis=1)
        frame["weekly_median"] = np.nanmedian(weekly, axis=1)
        for name, days in MEANS.items():
            means = np.full((day[-1] + 1, grid.shape[1]), np.nan)
            for today in range(1, day[-1] + 1):
                window = slice(start[max(today - days, 0)], start[today])
                is_known = outage_from[window] > start[today]
                means[today] = np.nanmean(np.where(is_known, grid[window], np.nan), axis=0, dtype="float64")
            frame[f"mean_of_{name}"] = means[row_day, column]

    french = holidays.France(years=range(local[0].year - 1, local[-1].year + 2))
    dates = pd.Series(local.date)
    unique = dates.unique()
    is_holiday = lambda days: dates.map({day: (day + pd.Timedelta(days=days)) in french for day in unique}).to_numpy()
    frame["hour"] = row_hour
    frame["weekday"] = local.weekday.to_numpy()[row]
    frame["holiday"] = is_holiday(0)[row]
    frame["holiday_day_before"] = is_holiday(-1)[row]
    frame["holiday_week_before"] = is_holiday(-7)[row]
    frame.attrs["counters"] = [*counter.cat.categories]
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
