"""The weekly loop on sample data of the same plan as `bike-traffic sample-data`, in Python.

Shows for several seeds that the events of the live weeks lead to a promotion, a refusal and a
silent counter under the policy `guarded`. The random numbers differ from those of the program, so
single figures differ too. Uses `forecast.py` beside it, which shares no code with the program.

    pip install pandas==2.3.3 numpy==2.4.6 holidays==0.109 xgboost==3.2.0 scipy
    python sample_loop.py 1 2 3 4

For each week: the share of drifted columns, the MAE of the corrected forecasts of the champion and
of the first champion, the silent counters, the strategy with the lower MAE on the seven days before
the fresh holdout, and for each strategy the improvement on the fresh holdout as served, its
probability, the change of the MAE on the fixed test set, and the verdict.
"""

import datetime as dt
import sys

import forecast as fc
import holidays
import numpy as np
import pandas as pd
import xgboost as xgb
from scipy.stats import wasserstein_distance

FIRST_DAY, TEST, LIVE, END, COUNTERS = dt.date(2020, 9, 1), 257, 321, 356, 20
EXODUS, LANE_OPENS, LANE_GROWTH, OUTAGE = range(6, 28), 9, 2.5, range(15, 25)
LEFT, LEAST_LEFT, COMMUTERS_LEFT, LEFT_BY_RESTRICTIONS = 0.55, 0.45, 0.1, 0.62
FRANCE = holidays.France(years=range(2020, 2022))

TO_WORK = [0.1, 0, 0, 0, 0, 0.2, 0.6, 2.4, 5.3, 3.6, 1.3, 0.9]
TO_WORK += [1, 0.9, 0.8, 0.8, 0.9, 1.2, 1.6, 1.2, 0.6, 0.3, 0.2, 0.1]
TO_HOME = [0.3, 0.1, 0.1, 0, 0, 0.1, 0.1, 0.5, 1.1, 0.8, 0.4, 0.5]
TO_HOME += [0.7, 0.7, 0.8, 1.1, 1.6, 3.1, 4.4, 3.7, 1.8, 1, 0.6, 0.5]
ERRANDS = [0.4, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 0.9, 1, 1, 1.1]
ERRANDS += [1.5, 1.5, 1.3, 1.3, 1.6, 1.9, 2.2, 2.2, 1.8, 1.4, 0.9, 0.7]
LEISURE = [0.6, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 0.9, 1.2, 1.5]
LEISURE += [1.6, 1.5, 1.7, 2, 2.1, 2.1, 2, 1.7, 1.3, 0.9, 0.7, 0.6]

CHAMPION = {"eta": 0.05, "max_depth": 6, "min_child_weight": 50, "subsample": 0.8}
CHAMPION |= {"colsample_bytree": 0.5, "tree_method": "hist", "nthread": 1, "seed": 7}
APPEND = CHAMPION | {"eta": 0.01, "max_depth": 4}


def day_counts(random):
    """Yields each date with its counts by counter and hour."""
    sites = COUNTERS // 2
    logarithms = random.normal(size=sites)
    levels = np.exp((logarithms - logarithms.mean()) / logarithms.std() * 0.52)
    level = np.repeat(levels * 80 / levels.mean(), 2) * random.uniform(0.85, 1.15, COUNTERS)
    commuters = np.repeat(random.uniform(0.35, 0.95, sites), 2)
    inbound = np.repeat(random.uniform(0.5, 0.9, sites), 2)
    inbound[1::2] = 1 - inbound[1::2]
    late = random.uniform(0, 0.8, COUNTERS)[:, None]
    profiles = [np.array(profile)[None] for profile in (TO_WORK, TO_HOME, ERRANDS, LEISURE)]
    profiles = [now * (1 - late) + np.roll(now, 1) * late for now in profiles]
    dead, stopped, begins_late, lane, silent = random.permutation(COUNTERS)[:5]
    dead_from, stopped_from = random.integers(32, 64), random.integers(96, 128)
    weather = 0
    for day in range(END):
        date, live = FIRST_DAY + dt.timedelta(day), day - LIVE
        weather = 0.4 * weather + 0.045 * random.normal()
        left, commuters_left = left_on(day)
        share = commuters * commuters_left
        season = 1 + 0.06 * np.cos(2 * np.pi * (date.timetuple().tm_yday - 172) / 365.25)
        volume = level * season * left * np.exp(weather * (1.4 - 0.6 * share))
        mean = expected(date, volume, commuters, share, inbound, profiles)
        if live >= LANE_OPENS:
            mean[lane] *= LANE_GROWTH
        unrest = np.exp(0.15 * random.normal(size=mean.shape) - 0.15**2 / 2)
        counts = random.poisson(mean * unrest).astype(float)
        counts[dead] *= not dead_from <= day < dead_from + 10
        counts[silent] *= live not in OUTAGE
        if stopped_from <= day < stopped_from + 14:
            counts[stopped] = np.nan
        if day < TEST // 2:
            counts[begins_late] = np.nan
        yield date, counts


def left_on(day):
    """Returns the shares of traffic and of commuters that remain."""
    if day - LIVE in EXODUS:
        weeks = (day - LIVE - EXODUS.start) / 7
        return max(LEFT * 0.95**weeks, LEAST_LEFT), COMMUTERS_LEFT
    return (LEFT_BY_RESTRICTIONS if TEST - 35 <= day < TEST else 1), 1


def expected(date, volume, commuters, share, inbound, profiles):
    to_work, to_home, errands, leisure = profiles
    weekday = date.weekday()
    if weekday >= 5 or date in FRANCE:
        idle = (1.1 - 0.6 * commuters) * (1.04 if weekday == 5 else 0.96)
        return (volume * idle)[:, None] * leisure
    ways = inbound[:, None] * to_work + (1 - inbound)[:, None] * to_home
    mixed = share[:, None] * ways + (1 - share)[:, None] * errands
    return volume[:, None] * [0.94, 1.05, 1.02, 1.05, 0.98][weekday] * mixed


def series(seed):
    rows = []
    for date, counts in day_counts(np.random.default_rng(seed)):
        start = pd.Timestamp(date, tz=fc.PARIS)
        hours = pd.date_range(start, start + pd.Timedelta("26h"), freq="h")
        for hour in hours[hours.date == date]:
            rows += [(f"c{c:02}", hour, count) for c, count in enumerate(counts[:, hour.hour])]
    rows = pd.DataFrame(rows, columns=["nom_du_compteur", "instant", "count"]).dropna()
    rows["instant"] = pd.to_datetime(rows["instant"], utc=True)
    rows["key"], rows["coordonnees_geographiques"] = rows["nom_du_compteur"], "48.8,2.3"
    return fc.Series(rows)


class Model:
    def __init__(self, frame, base=None):
        living = frame.where(frame.outage != fc.ZERO_OUTAGE)
        data = xgb.DMatrix(living.values, np.sqrt(living.count))
        if base:
            self.booster = xgb.train(APPEND, data, 30, xgb_model=base.booster)
            self.bias = base.bias
        else:
            self.booster = xgb.train(CHAMPION, data, 300)
            self.bias = fc.bias_factor(self.booster.predict(data).astype(float), living.count)

    def predict(self, frame):
        roots = self.booster.predict(xgb.DMatrix(frame.values)).astype(float)
        return np.where(frame.silent, 0, np.maximum(roots, 0) ** 2 * self.bias)


def days(frame, first, last):
    return frame.where((frame.day >= first) & (frame.day <= last))


def joined(one, other):
    fields = ("position", "counter", "values", "count", "silent", "outage")
    both = [np.concatenate([getattr(one, name), getattr(other, name)]) for name in fields]
    return fc.Frame(one.series, *both)


def served(model, frame, first, last):
    """Returns the rows of the days with their corrected forecasts."""
    rows = days(frame, first - 28, last)
    forecasts = model.predict(rows)
    forecasts = forecasts * fc.factors(rows, forecasts)
    return rows.where(rows.day >= first), forecasts[rows.day >= first]


def error(frame, forecasts):
    return np.abs(frame.count - forecasts).mean()


def drifted_share(reference, week):
    """Returns the share of 20 columns, of which counter, hour and coordinates never drift."""
    pairs = [(reference.count, week.count)]
    pairs += [(reference.values[:, c], week.values[:, c]) for c in range(8, 23)]
    pairs = [(a[~np.isnan(a)], b[~np.isnan(b)]) for a, b in pairs]
    return sum(wasserstein_distance(a, b) >= 0.1 * a.std() for a, b in pairs) / 20


def probability(rows, champion, challenger):
    """Returns the share of resamples by day in which the challenger is better."""
    gain = np.abs(rows.count - champion) - np.abs(rows.count - challenger)
    by_day = [gain[rows.day == day] for day in np.unique(rows.day)]
    random = np.random.default_rng(1)
    draws = [random.integers(0, len(by_day), len(by_day)) for _ in range(1000)]
    return np.mean([np.concatenate([by_day[i] for i in draw]).mean() > 0 for draw in draws])


def largest_worsening(rows, champion, challenger):
    """Returns the worst relative change of a counter with more than 3 % of all counts."""
    changes = [0]
    for counter in np.unique(rows.counter):
        mask = rows.counter == counter
        if rows.count[mask].sum() > 0.03 * rows.count.sum():
            part = rows.where(mask)
            changes.append(error(part, challenger[mask]) / error(part, champion[mask]) - 1)
    return max(changes)


def run(seed):
    counts = series(seed)
    first = counts.first_day
    frame = fc.features(counts, first, counts.last_day)
    frame = frame.where(~np.isnan(frame.count))
    train, test = days(frame, first, first + TEST - 1), days(frame, first + TEST, first + LIVE - 1)
    frozen = champion = Model(train)
    print(f"seed {seed}: MAE on the fixed test set {error(test, frozen.predict(test)):.2f}")
    for week in range(5):
        monday = first + LIVE + 7 * week
        rows, forecasts = served(champion, frame, monday, monday + 6)
        share, live = drifted_share(test, rows), error(rows, forecasts)
        before = error(test, champion.predict(test))
        line = f"  W{29 + week} drifted {share:.2f}, live {live:.1f}, first champion "
        line += f"{error(*served(frozen, frame, monday, monday + 6)):.1f}, "
        line += f"silent {len(set(rows.counter[rows.silent]))}"
        if share < 0.5 and live <= 1.1 * before:
            print(line)
            continue

        def challenger(strategy, last):
            fresh = days(frame, max(monday - 23, first + LIVE), last)
            if strategy == "append":
                return Model(fresh, champion)
            return Model(joined(train, fresh))

        strategies = ["sliding-window", "append"]
        best = strategies[0]
        if week > 1:
            earlier = (frame, monday - 7, monday - 1)
            of = {s: error(*served(challenger(s, monday - 8), *earlier)) for s in strategies}
            best = min(of, key=of.get)
        line, promoted = f"{line}, best {best}", champion
        for strategy in strategies:
            model = challenger(strategy, monday - 1)
            _, other = served(model, frame, monday, monday + 6)
            gain, on_test = 1 - error(rows, other) / live, error(test, model.predict(test)) / before
            p = probability(rows, forecasts, other)
            is_better = p >= 0.9 and gain >= 0.01 and on_test <= 1.02
            is_better &= largest_worsening(rows, forecasts, other) <= 0.15
            line += f" | {strategy} {gain:+.1%}, p {p:.2f}, test {on_test - 1:+.1%}"
            line += f" {'promoted' if is_better and strategy == best else 'kept'}"
            promoted = model if is_better and strategy == best else promoted
        champion = promoted
        print(line)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        run(int(argument))
