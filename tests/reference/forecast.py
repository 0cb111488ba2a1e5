"""An independent implementation of the forecast in numpy and pandas: features, outages, daily
correction and intervals. Shares no code with the program; its fixtures test the program.

Requires Python 3.11, pandas 2.3.3, numpy 2.4.6 and holidays 0.109:

    pip install pandas==2.3.3 numpy==2.4.6 holidays==0.109

Hours are instants. D is the local date of a row in Europe/Paris. "Known by D" refers to the counts
of all hours before 00:00 of D.

Outages
    A run is a series of successive known counts of one counter that are all 0, or all equal and at
    least 5. Unknown hours neither break a run nor lengthen it: a day of late counts, or the hour
    02:00+02:00 that exports omit, does not revive a dead counter. The length of a run is its number
    of known counts. From 24 zeros, or 6 equal counts, a run is an outage. It is known by D if its
    24th (6th) count lies before 00:00 of D; then the earlier counts of the run are unknown as well.
    A counter is silent on D if the last 24 known counts before 00:00 of D are zeros.

Features, version 2
    A lag is the count of the same local hour on an earlier local date. It is unknown if the local
    hour does not exist or lies in an outage known by D. Of a repeated local hour, the first instant
    counts, even if its count is unknown. Means cover the local dates D-1, D-7 to D-1 and D-28 to
    D-1 with all their 23, 24 or 25 hours, without outages known by D. Weekly mean and median cover
    the known ones of the four weekly lags.

Correction
    After each calendar day, with or without rows, the sums of forecasts (SQ), counts (SY) and days
    (N) are multiplied by 0.5^(1/3.5), then the day is added. SQ and SY belong to a kind of day, a
    counter and a band of the day; N belongs to a kind and a counter, and grows by one on days with
    at least one row of the counter that is added. Rows that are silent or have no count are not
    added. The other kind of day has the weight 0.1.

Training
    The target is the square root of a count. A row weighs (count + 4)^(1/4), divided by the mean of
    all rows. A forecast is the squared prediction, at least 0, times the bias factor.

Intervals
    Residuals are sqrt(count) - sqrt(published forecast) of all counters over D-14 to D-1, without
    silent rows. Quantiles are interpolated linearly, as by numpy. With fewer than 100 residuals,
    and for silent rows, no interval exists.
"""

import unicodedata
from dataclasses import dataclass

import holidays
import numpy as np
import pandas as pd

PARIS = "Europe/Paris"
ZEROS, EQUAL_COUNTS, LEAST_EQUAL_COUNT = 24, 6, 5
NO_OUTAGE, ZERO_OUTAGE, CONSTANT_OUTAGE = 0, 1, 2
OUTAGES = ["none", "zeros", "constant"]
NEVER = np.iinfo(np.int64).max

LAG_DAYS = [1, 2, 3, 4, 5, 6, 7, 14, 21, 28]
WEEKLY = [LAG_DAYS.index(days) for days in (7, 14, 21, 28)]
MEAN_DAYS = [1, 7, 28]
COLUMNS = [
    *("counter", "hour", "weekday", "latitude", "longitude"),
    *("holiday", "holiday_day_before", "holiday_week_before"),
    *(f"count_{24 * days}h_earlier" for days in LAG_DAYS),
    *("weekly_mean", "weekly_median", "mean_of_day", "mean_of_week", "mean_of_four_weeks"),
]
SEASONAL_NAIVE = COLUMNS.index("count_168h_earlier")

DECAY = 0.5 ** (1 / 3.5)
OTHER_KIND, PRIOR_DAYS, PRIOR_COUNT, LARGEST_FACTOR = 0.1, 5, 1, 2
BANDS = np.repeat(range(5), [6, 4, 6, 4, 4])
RESIDUAL_DAYS, LEAST_RESIDUALS = 14, 100
WEIGHT_PRIOR = 4
QUANTILES = [0.1, 0.9, 0.025, 0.975]

FRENCH = {
    "Identifiant du compteur": "identifiant_du_compteur",
    "Nom du compteur": "nom_du_compteur",
    "Comptage horaire": "comptage_horaire",
    "Date et heure de comptage": "date_et_heure_de_comptage",
    "Coordonnées géographiques": "coordonnees_geographiques",
    "coordonnées_géographiques": "coordonnees_geographiques",
}


def fold(name):
    """Returns the name without case, accents and repeated whitespace."""
    decomposed = unicodedata.normalize("NFD", name)
    characters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(characters.casefold().split())


def read_counts(paths):
    """Reads exports with French or snake-case header. A duplicate has the largest of its counts."""
    rows = pd.concat([pd.read_csv(path, sep=separator(path)) for path in paths])
    rows = rows.rename(columns=FRENCH)
    rows["key"] = rows["nom_du_compteur"].map(fold)
    rows["instant"] = pd.to_datetime(rows["date_et_heure_de_comptage"], utc=True)
    rows["count"] = rows["comptage_horaire"].astype(float)
    if "coordonnees_geographiques" not in rows:
        rows["coordonnees_geographiques"] = np.nan
    return rows


def separator(path):
    header = pd.read_csv(path, sep="\t", nrows=0).columns[0]
    return ";" if ";" in header else ","


def day_number(dates):
    return np.array(dates, dtype="datetime64[D]").astype(np.int64)


class Series:
    """The counts by hour and counter, with their outages."""

    def __init__(self, rows):
        counters = rows.groupby("key", sort=True).agg(
            name=("nom_du_compteur", "first"), location=("coordonnees_geographiques", "first")
        )
        self.names = [" ".join(name.split()) for name in counters["name"]]
        degrees = counters["location"].astype(object).where(counters["location"].notna(), ",")
        degrees = [[float(part or "nan") for part in text.split(",")] for text in degrees]
        self.locations = np.array(degrees)
        table = rows.pivot_table(index="instant", columns="key", values="count", aggfunc="max")
        # All local days are complete.
        local = table.index.tz_convert(PARIS)
        first = local[0].normalize()
        end = (local[-1].normalize() + pd.Timedelta("36h")).normalize()
        self.instants = pd.date_range(first, end, freq="h", inclusive="left").tz_convert("UTC")
        self.counts = table.reindex(self.instants).to_numpy()
        local = self.instants.tz_convert(PARIS)
        self.dates = local.date
        self.day, self.hour = day_number(local.date), local.hour.to_numpy()
        self.first_day, self.last_day = self.day[0], self.day[-1]
        self.position = {}
        for position, key in enumerate(zip(self.day, self.hour)):
            self.position.setdefault(key, position)
        france = holidays.France(years=range(local[0].year - 1, local[-1].year + 1))
        dates = np.arange(self.first_day - 7, self.last_day + 1).astype("datetime64[D]")
        self.holiday = {int(date.astype(int)): date.item() in france for date in dates}
        self.find_outages()

    def start(self, day):
        """Returns the position of the first hour of a day, or of the end."""
        return int(np.searchsorted(self.day, day))

    def find_outages(self):
        self.outage = np.full(self.counts.shape, NO_OUTAGE)
        self.known_on = np.full(self.counts.shape, NEVER)
        for counter in range(len(self.names)):
            known = np.flatnonzero(~np.isnan(self.counts[:, counter]))
            values = self.counts[known, counter]
            bounds = [0, *np.flatnonzero(np.diff(values)) + 1, len(values)]
            for start, end in zip(bounds, bounds[1:]):
                limit = ZEROS if values[start] == 0 else EQUAL_COUNTS
                if end - start < limit or 0 < values[start] < LEAST_EQUAL_COUNT:
                    continue
                kind = ZERO_OUTAGE if values[start] == 0 else CONSTANT_OUTAGE
                self.outage[known[start:end], counter] = kind
                self.known_on[known[start:end], counter] = self.day[known[start + limit - 1]]

    def known_by(self, day, positions):
        """Returns counts without the outages that are known by the start of `day`."""
        in_outage = self.known_on[positions] < day
        return np.where(in_outage, np.nan, self.counts[positions])

    def silent(self, day):
        """Returns the counters whose last 24 known counts before `day` are zeros."""
        before = self.counts[: self.start(day)]
        result = np.zeros(len(self.names), dtype=bool)
        for counter in range(len(self.names)):
            known = before[~np.isnan(before[:, counter]), counter]
            result[counter] = len(known) >= ZEROS and not known[-ZEROS:].any()
        return result

    def is_off(self, day):
        return self.holiday[int(day)] or weekday(day) >= 5


def weekday(day):
    # 1970-01-01 was a Thursday.
    return (day + 3) % 7


@dataclass
class Frame:
    """Features by row. Rows are ordered by hour, then by counter."""

    series: Series
    position: np.ndarray
    counter: np.ndarray
    values: np.ndarray
    count: np.ndarray
    silent: np.ndarray
    outage: np.ndarray

    @property
    def day(self):
        return self.series.day[self.position]

    def where(self, mask):
        fields = (self.position, self.counter, self.values, self.count, self.silent, self.outage)
        return Frame(self.series, *(field[mask] for field in fields))


def features(series, first, last):
    """Returns the features of all hours of the days `first` to `last`, also of unknown counts."""
    days = [features_of_day(series, day) for day in range(first, last + 1)]
    width = len(series.names)
    positions = np.arange(series.start(first), series.start(last + 1))
    counts = series.counts[positions].ravel()
    silent = [np.tile(silent, len(values)) for values, silent in days]
    return Frame(
        series,
        np.repeat(positions, width),
        np.tile(np.arange(width), len(positions)),
        np.concatenate([values for values, _ in days]).reshape(-1, len(COLUMNS)),
        counts,
        np.concatenate(silent),
        series.outage[positions].ravel(),
    )


def features_of_day(series, day):
    positions = range(series.start(day), series.start(day + 1))
    width = len(series.names)
    values = np.full((len(positions), width, len(COLUMNS)), np.nan, dtype=np.float32)
    values[:, :, 0] = np.arange(width)
    values[:, :, 1] = series.hour[positions][:, None]
    values[:, :, 2] = weekday(day)
    values[:, :, 3:5] = series.locations
    values[:, :, 5:8] = [series.holiday[int(day) - days] for days in (0, 1, 7)]
    for row, position in enumerate(positions):
        lags = np.full((len(LAG_DAYS), width), np.nan, dtype=np.float32)
        for lag, days in enumerate(LAG_DAYS):
            earlier = series.position.get((day - days, series.hour[position]))
            if earlier is not None:
                lags[lag] = series.known_by(day, earlier)
        values[row, :, 8:18] = lags.T
    weekly = values[:, :, 8:18][:, :, WEEKLY]
    values[:, :, 18] = mean(weekly, axis=2)
    values[:, :, 19] = median(weekly)
    for column, days in enumerate(MEAN_DAYS, start=20):
        window = slice(series.start(day - days), series.start(day))
        values[:, :, column] = mean(series.known_by(day, window), axis=0)
    return values, series.silent(day)


def mean(values, axis):
    """Returns the mean of the known values. Sums of counts are exact."""
    known = (~np.isnan(values)).sum(axis=axis)
    total = np.nansum(values.astype(np.float64), axis=axis)
    return np.divide(total, known, out=np.full(total.shape, np.nan), where=known > 0)


def median(values):
    """Returns the median of the known ones of four values."""
    ordered = np.sort(values.astype(np.float64), axis=2)  # Unknown values are last.
    known = (~np.isnan(values)).sum(axis=2)
    low, high = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, 3)
    pick = [np.take_along_axis(ordered, index[:, :, None], 2)[:, :, 0] for index in (low, high)]
    return (pick[0] + pick[1]) / 2


def bias_factor(roots, counts):
    """Returns the factor that gives the squares of the predicted roots the mean of the counts."""
    return counts.sum() / (np.maximum(roots, 0) ** 2).sum()


def weights(counts):
    """Returns the weights of the rows of a training from nothing, with the mean 1."""
    roots = (counts + WEIGHT_PRIOR) ** 0.25
    return roots / roots.mean()


def factors(frame, forecast, window=None):
    """Returns the correction factor of each row, learned from the rows of earlier days.

    `forecast` is uncorrected. With `window`, only so many days before each day are learned from.
    """
    series, result = frame.series, np.ones(len(forecast))
    day = frame.day
    first = int(day.min())
    learned = []
    for today in range(first, int(day.max()) + 1):
        rows = np.flatnonzero(day == today)
        band, counter = BANDS[series.hour[frame.position[rows]]], frame.counter[rows]
        result[rows] = factor_table(series, learned, today, window)[counter, band]
        learned.append(sums_of_day(frame, forecast, rows, band, counter))
    return result


def sums_of_day(frame, forecast, rows, band, counter):
    width = len(frame.series.names)
    is_added = ~frame.silent[rows] & ~np.isnan(frame.count[rows])
    key = (counter[is_added], band[is_added])
    sq, sy, n = np.zeros((width, 5)), np.zeros((width, 5)), np.zeros(width)
    np.add.at(sq, key, forecast[rows][is_added])
    np.add.at(sy, key, frame.count[rows][is_added])
    n[key[0]] = 1
    return sq, sy, n


def factor_table(series, learned, today, window):
    """Returns the factors by counter and band. The last element of `learned` is yesterday."""
    width = len(series.names)
    sq, sy, n = np.zeros((width, 5)), np.zeros((width, 5)), np.zeros((width, 1))
    for age, (forecasts, counts, days) in enumerate(reversed(learned[-(window or len(learned)) :])):
        is_same_kind = series.is_off(today - 1 - age) == series.is_off(today)
        weight = DECAY**age * (1 if is_same_kind else OTHER_KIND)
        sq, sy, n = sq + weight * forecasts, sy + weight * counts, n + weight * days[:, None]
    of_a_day = np.divide(sq, n, out=np.zeros_like(sq), where=n > 0)
    prior = PRIOR_DAYS * of_a_day + PRIOR_COUNT
    return np.clip((sy + prior) / (sq + prior), 1 / LARGEST_FACTOR, LARGEST_FACTOR)


def residual_quantiles(frame, published):
    """Returns, for each day from the second on, the number and the quantiles of its residuals."""
    day, result = frame.day, {}
    is_known = ~frame.silent & ~np.isnan(frame.count)
    residuals = np.sqrt(np.where(is_known, frame.count, 0)) - np.sqrt(published)
    for today in range(int(day.min()), int(day.max()) + 1):
        last = residuals[is_known & (day < today) & (day >= today - RESIDUAL_DAYS)]
        if len(last) >= LEAST_RESIDUALS:
            result[today] = (len(last), np.quantile(last, QUANTILES))
        else:
            result[today] = (len(last), np.full(len(QUANTILES), np.nan))
    return result


def intervals(frame, published):
    """Returns the bounds low 80 %, high 80 %, low 95 % and high 95 % of each row."""
    quantiles = residual_quantiles(frame, published)
    of_row = np.array([quantiles[day][1] for day in frame.day])
    bounds = np.maximum(np.sqrt(published)[:, None] + of_row, 0) ** 2
    bounds[frame.silent] = np.nan
    return bounds
