"""Forecasts from raw hourly counts: the loader module of the `python_function` flavor of a model.

Requires pandas, numpy and xgboost only. The features are those of pipeline version 2. The input of
`predict` is a table of counts as the city of Paris exports them:

    nom_du_compteur             the name of the counter
    date_et_heure_de_comptage   the hour, as text or datetime; without an offset, the time of Paris
    comptage_horaire            the bicycles of the hour, or NaN if they are not known
    coordonnees_geographiques   optional: "latitude,longitude"; one row of the counter is enough

Column names ignore case, accents and punctuation, so the header of the public export works as well.
`predict` returns one forecast for each row, with the index of the input. The forecast of a row uses
only counts of earlier days, so rows to forecast may have no count, and rows with a count are a
backtest. The first forecast that matters needs 30 days of counts before it, and 58 days if it is
corrected.

The parameter `correct` (True by default) multiplies each forecast by a factor of its counter and
part of the day, which is learned from the forecasts and counts of the 28 days before it, as in
production. Without counts of these days, the factor is 1.
"""

import datetime
import json
import os
import unicodedata

import numpy as np
import pandas as pd
import xgboost

PARIS = "Europe/Paris"
PIPELINE_VERSION = 2
NAME, HOUR = "nom_du_compteur", "date_et_heure_de_comptage"
COUNT, LOCATION = "comptage_horaire", "coordonnees_geographiques"
ALIASES = {"nom_compteur": NAME, "date": HOUR, "sum_counts": COUNT, "coordinates": LOCATION}

LAG_DAYS = [1, 2, 3, 4, 5, 6, 7, 14, 21, 28]
WEEKLY = [LAG_DAYS.index(days) for days in (7, 14, 21, 28)]
MEAN_DAYS = [1, 7, 28]
COLUMNS = [
    *("counter", "hour", "weekday", "latitude", "longitude"),
    *("holiday", "holiday_day_before", "holiday_week_before"),
    *(f"count_{24 * days}h_earlier" for days in LAG_DAYS),
    *("weekly_mean", "weekly_median", "mean_of_day", "mean_of_week", "mean_of_four_weeks"),
]
HISTORY_DAYS = 30
# From 24 zeros, or 6 equal counts of at least 5, a run of counts is an outage.
ZEROS, EQUAL_COUNTS, LEAST_EQUAL_COUNT = 24, 6, 5

CORRECTION_DAYS = 28
DECAY = 0.5 ** (1 / 3.5)
OTHER_KIND_WEIGHT, PRIOR_DAYS, PRIOR_COUNT, LARGEST_FACTOR = 0.1, 5, 1, 2
BANDS = np.repeat(range(5), [6, 4, 6, 4, 4])


# Typographic apostrophes and dashes, and invisible characters.
PUNCTUATION = str.maketrans({
    **dict.fromkeys("`\u00b4\u02b9\u02bb\u02bc\u02bd\u2018\u2019\u201a\u201b\u2032\u2035", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", ""),
})


def fold(text):
    """Returns a text without case, accents and repeated whitespace, with plain punctuation."""
    decomposed = unicodedata.normalize("NFKD", str(text).translate(PUNCTUATION))
    plain = decomposed.translate(PUNCTUATION)
    characters = "".join(c for c in plain if not unicodedata.category(c).startswith("M"))
    return " ".join(characters.lower().split())


def column_name(label):
    name = "".join(c if c.isalnum() else "_" for c in fold(label)).strip("_")
    return ALIASES.get(name, name)


def instants(hours, counters):
    """Returns the hours of counters as instants in UTC.

    Without an offset, a repeated local hour is its second instant, because the exports of the city
    omit the first. If a counter has it twice, the first row is the first instant.
    """
    if not pd.api.types.is_datetime64_any_dtype(hours):
        text = hours.astype(str).str.strip()
        text = text.str.replace(r"\s*UTC$", "Z", regex=True)
        text = text.str.replace(r"\s+([+-]\d\d:?\d\d)$", r"\1", regex=True)
        has_offset = text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")
        result = pd.to_datetime(text.where(has_offset), utc=True, format="ISO8601")
        if not has_offset.all():
            local = pd.to_datetime(text[~has_offset], format="ISO8601")
            local = of_paris(local, counters[~has_offset.to_numpy()])
            result[~has_offset] = local.astype(result.dtype)
    elif hours.dt.tz is None:
        result = of_paris(hours, counters)
    else:
        result = hours.dt.tz_convert("UTC")
    return result.astype("datetime64[s, UTC]")


def of_paris(local, counters):
    rows = pd.DataFrame({"hour": local.array, "counter": counters})
    first = rows.duplicated(keep="last").to_numpy()
    later = pd.Timedelta(hours=1)
    return local.dt.tz_localize(PARIS, ambiguous=first, nonexistent=later).dt.tz_convert("UTC")


def easter(year):
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    l = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    days = h + l - 7 * ((a + 11 * h + 22 * l) // 451) + 21
    return datetime.date(year, 3, 1) + datetime.timedelta(days)


def is_holiday(day):
    """Returns whether a day, a number of days since 1970, is a public holiday of France."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(int(day))
    fixed = {(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}
    return (date.month, date.day) in fixed or (date - easter(date.year)).days in (1, 39, 50)


def weekday(day):
    return (day + 3) % 7  # 1970-01-01 was a Thursday.


class Counts:
    """The counts by hour and counter over complete local days, with their outages."""

    def __init__(self, table):
        columns = {column_name(label): label for label in reversed(table.columns)}
        if missing := [name for name in (NAME, HOUR, COUNT) if name not in columns]:
            raise ValueError(f"the counts lack the columns {missing}; they have {[*table.columns]}")
        names = table[columns[NAME]].astype(str)
        keys = names.map({name: fold(name) for name in names.unique()})
        self.row_counter, self.keys = pd.factorize(keys)
        self.locations = self.read_locations(table, columns.get(LOCATION))
        hours = instants(table[columns[HOUR]], self.row_counter)
        if hours.isna().any():
            raise ValueError("a count has no hour")
        count = pd.to_numeric(table[columns[COUNT]]).to_numpy("float64", na_value=np.nan)
        known = pd.DataFrame({"hour": hours.array, "counter": self.row_counter, "count": count})
        # A duplicate has the largest of its counts.
        grid = known.groupby(["hour", "counter"])["count"].max().unstack("counter")
        first = hours.min().tz_convert(PARIS).normalize()
        end = (hours.max().tz_convert(PARIS).normalize() + pd.Timedelta("36h")).normalize()
        index = pd.date_range(first, end, freq="h", inclusive="left").tz_convert("UTC").as_unit("s")
        self.row_position = index.get_indexer(pd.DatetimeIndex(hours))
        if (self.row_position < 0).any():
            raise ValueError("a count does not begin on the full hour")
        width = range(len(self.keys))
        self.counts = grid.reindex(index=index, columns=width).to_numpy("float32")
        local = index.tz_convert(PARIS)
        days = local.tz_localize(None).to_numpy("datetime64[D]").astype("int64")
        self.first_day, self.last_day = int(days[0]), int(days[-1])
        self.day, self.hour = days, local.hour.to_numpy()
        self.starts = np.searchsorted(days, np.arange(self.first_day, self.last_day + 2))
        # The first instant of each local hour, or -1.
        self.first_of_hour = np.full((self.last_day - self.first_day + 1, 24), -1)
        backwards = np.arange(len(index))[::-1]
        self.first_of_hour[days[backwards] - self.first_day, self.hour[backwards]] = backwards
        self.find_outages()

    def read_locations(self, table, label):
        location = pd.Series(np.nan if label is None else table[label].to_numpy(), dtype=object)
        location = location.reindex(range(len(table)))
        first = location.groupby(self.row_counter).first().reindex(range(len(self.keys)))
        degrees = first.astype(str).str.extract(r"^\s*([-\d.]+)\s*,\s*([-\d.]+)\s*$")
        return degrees.astype("float32").to_numpy()

    def find_outages(self):
        """Finds the day on which each outage is known, and the zeros in a row up to each hour."""
        self.known_on = np.full(self.counts.shape, np.iinfo("int64").max)
        self.zeros = np.zeros(self.counts.shape, dtype="int64")
        for counter in range(len(self.keys)):
            known = np.flatnonzero(~np.isnan(self.counts[:, counter]))
            values = self.counts[known, counter]
            bounds = [0, *np.flatnonzero(np.diff(values)) + 1, len(values)]
            for start, end in zip(bounds, bounds[1:]):
                if start == end:
                    continue
                is_zero = values[start] == 0
                if is_zero:
                    self.zeros[known[start:end], counter] = np.arange(1, end - start + 1)
                limit = ZEROS if is_zero else EQUAL_COUNTS
                if end - start >= limit and (is_zero or values[start] >= LEAST_EQUAL_COUNT):
                    self.known_on[known[start:end], counter] = self.day[known[start + limit - 1]]
            # Unknown hours neither break a run nor lengthen it.
            last = np.full(len(self.counts), -1)
            last[known] = known
            last = np.maximum.accumulate(last)
            carried = self.zeros[last, counter]
            self.zeros[:, counter] = np.where(last < 0, 0, carried)

    def start(self, day):
        """Returns the position of the first hour of a day, or the nearest position."""
        return self.starts[np.clip(day - self.first_day, 0, len(self.starts) - 1)]

    def known_by(self, day, positions):
        """Returns counts without the outages that are known by the start of a day."""
        return np.where(self.known_on[positions] < day, np.nan, self.counts[positions])

    def silent(self, day):
        """Returns the counters whose last 24 known counts before a day are zeros."""
        start = self.start(day)
        return self.zeros[start - 1] >= ZEROS if start else np.zeros(len(self.keys), dtype=bool)

    def first_counted_day(self):
        """Returns the first day with a count, or None."""
        hours = np.flatnonzero(~np.isnan(self.counts).all(axis=1))
        return int(self.day[hours[0]]) if len(hours) else None


def day_features(counts, day, codes):
    """Returns the features of all hours and counters of a day."""
    hours = counts.hour[counts.start(day) : counts.start(day + 1)]
    values = np.full((len(hours), len(codes), len(COLUMNS)), np.nan, dtype="float32")
    values[:, :, 0] = codes
    values[:, :, 1] = hours[:, None]
    values[:, :, 2] = weekday(day)
    values[:, :, 3:5] = counts.locations
    values[:, :, 5:8] = [is_holiday(day - days) for days in (0, 1, 7)]
    for lag, days in enumerate(LAG_DAYS):
        if day - days < counts.first_day:
            continue
        positions = counts.first_of_hour[day - days - counts.first_day, hours]
        lags = counts.known_by(day, positions)
        lags[positions < 0] = np.nan
        values[:, :, 8 + lag] = lags
    weekly = values[:, :, 8:18][:, :, WEEKLY].astype("float64")
    values[:, :, 18] = mean(weekly, axis=2)
    values[:, :, 19] = median(weekly)
    for column, days in enumerate(MEAN_DAYS, start=20):
        window = slice(counts.start(day - days), counts.start(day))
        values[:, :, column] = mean(counts.known_by(day, window), axis=0)
    return values


def mean(values, axis):
    """Returns the mean of the known values."""
    known = (~np.isnan(values)).sum(axis=axis)
    total = np.nansum(values.astype("float64"), axis=axis)
    return np.divide(total, known, out=np.full(total.shape, np.nan), where=known > 0)


def median(values):
    """Returns the median of the known ones of four values."""
    ordered = np.sort(values, axis=2)  # Unknown values are last.
    known = (~np.isnan(values)).sum(axis=2)
    low, high = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, 3)
    pick = [np.take_along_axis(ordered, index[:, :, None], 2)[:, :, 0] for index in (low, high)]
    return (pick[0] + pick[1]) / 2


class Correction:
    """The sums of forecasts and counts of each day, by counter and part of the day."""

    def __init__(self, counters):
        self.counters = counters
        self.days = {}

    def learn(self, day, hours, forecast, count, silent):
        is_added = ~np.isnan(count) & ~silent[None, :]
        forecasts, counted = (np.zeros((self.counters, 5)) for _ in range(2))
        for band in range(5):
            rows = BANDS[hours] == band
            added = is_added[rows]
            forecasts[:, band] = np.where(added, forecast[rows], 0).sum(axis=0)
            counted[:, band] = np.where(added, count[rows], 0).sum(axis=0)
        self.days[day] = (forecasts, counted, is_added.any(axis=0).astype("float64"))

    def factors(self, today):
        """Returns the factors of a day by counter and part of the day."""
        forecasts, counted = (np.zeros((self.counters, 5)) for _ in range(2))
        days = np.zeros((self.counters, 1))
        for age in range(CORRECTION_DAYS):
            learned = self.days.get(today - 1 - age)
            if learned is None:
                continue
            is_same_kind = is_off(today - 1 - age) == is_off(today)
            weight = DECAY**age * (1 if is_same_kind else OTHER_KIND_WEIGHT)
            forecasts += weight * learned[0]
            counted += weight * learned[1]
            days[:, 0] += weight * learned[2]
        of_a_day = np.divide(forecasts, days, out=np.zeros_like(forecasts), where=days > 0)
        prior = PRIOR_DAYS * of_a_day + PRIOR_COUNT
        factor = (counted + prior) / (forecasts + prior)
        return np.clip(factor, 1 / LARGEST_FACTOR, LARGEST_FACTOR)


def is_off(day):
    return weekday(day) >= 5 or is_holiday(day)


class Forecast:
    """The model in a folder."""

    def __init__(self, folder):
        with open(os.path.join(folder, "card.json"), encoding="utf-8") as file:
            card = json.load(file)
        spec = card["features"]
        if (spec["pipeline_version"], spec["columns"]) != (PIPELINE_VERSION, COLUMNS):
            raise ValueError(f"the model needs features other than those of version {PIPELINE_VERSION}")
        self.codes = {key: code for code, key in enumerate(spec["counters"])}
        self.bias_factor = card.get("bias_factor", 1.0)
        self.booster = xgboost.Booster(model_file=os.path.join(folder, "model.ubj"))

    def predict(self, model_input, params=None):
        if model_input.empty:
            return pd.Series([], model_input.index, dtype="float64", name="prediction")
        counts = Counts(model_input)
        is_corrected = (params or {}).get("correct", True)
        forecasts = self.forecast(counts, np.unique(counts.day[counts.row_position]), is_corrected)
        of_rows = forecasts[counts.row_position, counts.row_counter]
        return pd.Series(of_rows, model_input.index, name="prediction")

    def forecast(self, counts, days, is_corrected):
        """Returns the forecasts by hour and counter; NaN on days that are not among `days`."""
        codes = np.array([self.codes.get(key, np.nan) for key in counts.keys])
        learned = self.learned_days(counts, days) if is_corrected else set()
        correction = Correction(len(codes))
        result = np.full(counts.counts.shape, np.nan)
        for day in sorted({*map(int, days), *learned}):
            hours = slice(counts.start(day), counts.start(day + 1))
            silent = counts.silent(day)
            forecast = self.uncorrected(day_features(counts, day, codes))
            forecast[:, silent] = 0
            if day in learned:
                count = counts.counts[hours].astype("float64")
                factors = correction.factors(day)
                correction.learn(day, counts.hour[hours], forecast, count, silent)
            else:
                factors = correction.factors(day)
            result[hours] = forecast * factors[:, BANDS[counts.hour[hours]]].T
        return result

    def learned_days(self, counts, days):
        """Returns the days that a correction learns from.

        Days with a history of less than 30 days are left out: the errors of their forecasts differ.
        """
        first = counts.first_counted_day()
        if first is None:
            return set()
        before = {int(day) - age for day in days for age in range(1, CORRECTION_DAYS + 1)}
        return {day for day in before if first + HISTORY_DAYS <= day <= counts.last_day}

    def uncorrected(self, values):
        rows = xgboost.DMatrix(values.reshape(-1, len(COLUMNS)))
        roots = np.maximum(self.booster.predict(rows, validate_features=False), 0)
        count = roots.astype("float64") ** 2 * self.bias_factor
        return count.astype("float32").astype("float64").reshape(values.shape[:2])


def _load_pyfunc(path):
    """Loads a model for MLflow. `path` is the folder of the model, as the flavor names no `data`."""
    return Forecast(path)
