"""The tables of the scale bench: time and memory of two sizes, and the size at which limits are reached."""

from dataclasses import dataclass

# The largest ratio of times for a ratio of sizes of 1.
GOAL_SLOPE = 1.1
UNITS = {"Mi": 1, "Gi": 1024}
# The limits of the client of the open data service: functions/ingest and shared/google-cloud.
REPLY_LIMITS = {"records of a reply": 50_000, "bytes of a reply": 16 * 1024 * 1024}


@dataclass(frozen=True)
class Result:
    """The results of one size: measured steps, and sizes that have a limit."""

    size: int
    counters: int
    steps: dict
    sizes: dict


@dataclass(frozen=True)
class Limit:
    """A quantity at both sizes, and its limit."""

    name: str
    small: float
    large: float
    limit: float
    unit: str

    def counters(self, small, large):
        """Returns the number of counters at the limit, on the line through both sizes, or None."""
        growth = (self.large - self.small) / (large - small)
        if growth <= 0:
            return None
        return small + (self.limit - self.small) / growth


def markdown(results, functions):
    """Returns both tables and the sentence about what breaks first."""
    small, large = results
    return "\n\n".join([steps_table(small, large, functions), limits_table(small, large, functions)])


def steps_table(small, large, functions):
    size_ratio = large.counters / small.counters
    header = ["step", *(f"{result.counters} counters" for result in (small, large)), f"slope (goal ≤ {GOAL_SLOPE})", "memory", "limit"]
    lines = [header, ["---"] * len(header)]
    for name, one in small.steps.items():
        other = large.steps[name]
        slope = other.seconds / one.seconds / size_ratio
        limits = functions.get(name)
        limit, verdict = "", ""
        if limits:
            limit = f"{limits['memory']}, {limits['timeout_seconds']} s"
            is_within = other.peak_mib <= mebibytes(limits["memory"]) and other.seconds <= limits["timeout_seconds"]
            verdict = ": within" if is_within else ": **OVER**"
        lines.append([
            f"`{name}`" if " " not in name else name,
            seconds(one.seconds),
            seconds(other.seconds),
            f"{slope:.2f}" + ("" if slope <= GOAL_SLOPE else " **OVER**"),
            f"{one.peak_mib:.0f} → {other.peak_mib:.0f} MiB",
            limit + verdict,
        ])
    rows = [result.sizes["training rows"] for result in (small, large)]
    note = f"Training rows: {rows[0]:,} and {rows[1]:,}. The slope is the ratio of the times divided by that of the counters."
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\n{note}"


def limits(small, large, functions):
    """Returns all limits of functions and replies."""
    for name, settings in functions.items():
        one, other = small.steps[name], large.steps[name]
        yield Limit(f"memory of `{name}`", one.peak_mib, other.peak_mib, mebibytes(settings["memory"]), "MiB")
        yield Limit(f"time of a delivery to `{name}`", one.seconds, other.seconds, settings["timeout_seconds"], "s")
    for name, limit in REPLY_LIMITS.items():
        yield Limit(f"{name} to `ingest`", small.sizes[name], large.sizes[name], limit, "")


def limits_table(small, large, functions):
    reached = []
    for limit in limits(small, large, functions):
        counters = limit.counters(small.counters, large.counters)
        if counters is not None:
            reached.append((counters, limit))
    reached.sort(key=lambda pair: pair[0])
    lines = [["limit", f"{small.counters} counters", f"{large.counters} counters", "limit", "reached at about"], ["---"] * 5]
    for counters, limit in reached:
        values = [f"{value:,.0f} {limit.unit}".strip() if value >= 10 else f"{value:.2f} {limit.unit}" for value in (limit.small, limit.large, limit.limit)]
        lines.append([limit.name, *values, f"{counters:,.0f} counters"])
    first_counters, first = reached[0]
    sentence = (
        f"First to break: {first.name}, at about {first_counters:,.0f} counters. The numbers are on the straight line through "
        "both sizes."
    )
    return sentence + "\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def mebibytes(text):
    """Returns a memory limit of Cloud Run, such as 512Mi, in MiB."""
    return int(text[:-2]) * UNITS[text[-2:]]


def seconds(value):
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"
