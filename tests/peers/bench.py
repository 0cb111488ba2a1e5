"""Runs the same work by bike-traffic and by Python in turn, and prints a table of ratios.

Usage: bench.py [--only NAME]... [--repetitions N] [--counters N] [--write] [--keep]      (make bench-peers)

Works on TRAIN_DATA_PATH, TEST_DATA_PATH and LIVE_DATA_PATH, or on sample data if they are not set.
The results of both sides are compared: a difference is an error. `--write` writes the table into the
documents. `--keep` reuses the files of the last call in target/peers. For a first look that takes a
few minutes: `bench.py --counters 8 --repetitions 1`.
"""

import argparse
import datetime
import importlib.metadata
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pairs  # noqa: E402
import table  # noqa: E402
from workspace import COUNTERS, ROOT, Workspace  # noqa: E402

PACKAGES = ["evidently", "xgboost-cpu", "pandas", "scikit-learn", "fastapi", "uvicorn"]


def main():
    arguments = parse()
    binaries = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    work = Workspace(ROOT / "target/peers", arguments.binaries or binaries, arguments.counters)
    work.require_programs()
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"the load of this machine is {load:.1f}: the figures are those of a busy machine")
    if arguments.keep:
        work.reuse()
    else:
        work.prepare(say)
    rows, agreements = [], []
    for name in arguments.only or pairs.ALL:
        pair = pairs.ALL[name](work)
        ours, theirs = measure(name, pair, arguments.repetitions or pair.repetitions)
        if agreement := pair.check():
            agreements.append(agreement)
        measured = pair.rows(ours, theirs)
        for row in measured:
            say("; ".join(filter(None, row.cells())))
        rows += measured
    print(table.plain(rows))
    print("\n".join(agreements))
    if arguments.write:
        conditions = describe(work, load)
        summary = [row for row in rows if row.goal is not None]
        table.write(ROOT / "README.md", "bench-peers", table.markdown(summary, [conditions]))
        notes = [conditions, "\n".join(f"- {text}" for text in agreements)]
        table.write(ROOT / "docs/performance.md", "bench-peers", table.markdown(rows, notes))
        say("wrote the table into docs/performance.md, and its rows with a goal into README.md")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=[*pairs.ALL], help="run only this pair")
    parser.add_argument("--repetitions", type=int, metavar="N", help="the repetitions of each pair (3 or 5)")
    parser.add_argument("--counters", type=int, default=COUNTERS, metavar="N", help="the counters of the sample data")
    parser.add_argument("--write", action="store_true", help="write the table into the documents")
    parser.add_argument("--keep", action="store_true", help="reuse the files of the last call")
    parser.add_argument("--binaries", type=Path, help="the folder of the release binaries")
    arguments = parser.parse_args()
    if arguments.write and arguments.only:
        parser.error("--write needs all pairs: the documents show one table")
    return arguments


def measure(name, pair, repetitions):
    """Runs both sides in turn. The side that begins alternates."""
    samples = {"ours": [], "theirs": []}
    for repetition in range(repetitions):
        say(f"{name}: {repetition + 1} of {repetitions}")
        sides = ["ours", "theirs"] if repetition % 2 == 0 else ["theirs", "ours"]
        for side in sides:
            samples[side].append(getattr(pair, side)())
    return samples["ours"], samples["theirs"]


def describe(work, load):
    """Returns the conditions of the measurement, in one paragraph."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    python = ".".join(map(str, sys.version_info[:3]))
    data = "the real data" if work.is_real else f"sample data of {work.counters} counters"
    return (
        f"Measured on {datetime.date.today()} with `make bench-peers` on {table.machine()} (load {load:.1f} at the start) "
        f"with {data}: medians, in parentheses the range of the repetitions, both sides in turn. Python {python}, {versions}."
    )


def say(text):
    print(f"bench-peers: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
