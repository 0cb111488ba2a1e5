"""The rows of the comparison, as Markdown between markers of a document."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from measure import median


@dataclass(frozen=True)
class Row:
    """One measurement: samples of both sides in the same unit, and a goal for their ratio."""

    label: str
    ours: list
    theirs: list
    unit: str
    # "faster": how many times the other side's value; "share": the part of the other side's value.
    kind: str = "faster"
    goal: float | None = None

    def ratio(self):
        ours, theirs = median(self.ours), median(self.theirs)
        return theirs / ours if self.kind == "faster" else ours / theirs

    def is_met(self):
        if self.goal is None:
            return None
        return self.ratio() >= self.goal if self.kind == "faster" else self.ratio() <= self.goal

    def cells(self):
        ratio = f"{self.ratio():.2f} of it" if self.kind == "share" else speed(self.ratio())
        sign = "≥" if self.kind == "faster" else "≤"
        goal = "" if self.goal is None else f"{sign} {self.goal:g}: {'met' if self.is_met() else 'missed'}"
        return [self.label, self.text(self.ours), self.text(self.theirs), ratio, goal]

    def text(self, samples):
        """Returns the median, with the range if there are several samples."""
        middle = f"{digits(median(samples))} {self.unit}"
        if len(samples) < 2:
            return middle
        return f"{middle} ({digits(min(samples))} to {digits(max(samples))})"


def both(ours, theirs, name, factor=1):
    """Returns the samples of both sides in another unit."""
    return [[sample[name] * factor for sample in side] for side in (ours, theirs)]


HEADER = ["measured", "bike-traffic", "Python", "ratio", "goal"]


def speed(ratio):
    """Returns a ratio of speeds in words."""
    return f"{digits(ratio)} times faster" if ratio >= 1 else f"{digits(1 / ratio)} times slower"


def digits(value):
    """Returns a number with three significant digits, or all digits of a large one."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(rows, notes):
    """Returns the table with its notes."""
    lines = [HEADER, ["---"] * len(HEADER), *(row.cells() for row in rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join([table, *notes])


def plain(rows):
    """Returns the table for a terminal."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def machine():
    """Returns the processor and the number of cores that this process may use."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {names[0] if names else platform.machine()}"


def write(path, name, fragment):
    """Replaces the text between the markers `<!-- NAME:begin … -->` and `<!-- NAME:end -->`."""
    text = path.read_text()
    begin, end = text.find(f"<!-- {name}:begin"), text.find(f"<!-- {name}:end -->")
    if begin < 0 or end < begin:
        raise SystemExit(f"cannot write {path}: the markers of {name} are missing")
    begin = text.index("-->", begin) + len("-->")
    path.write_text(f"{text[:begin]}\n{fragment}\n{text[end:]}")
