"""Measures the work of a city and of one ten times as large, and names what breaks first.

Usage: bench.py [--sizes 1 10] [--write]      (make bench-scale)

Each step runs by the release binaries on local files with sample data: 56 counters times the size, and
521 days of training data. `--write` writes the tables into docs/scale.md.
"""

import argparse
import datetime
import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests/peers")]

import report  # noqa: E402
import table  # noqa: E402
from city import TRAIN_DAYS, City  # noqa: E402
from steps import Steps  # noqa: E402

COUNTERS = 56


def main():
    arguments = parse()
    binaries = arguments.binaries or Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"the load of this machine is {load:.1f}: the figures are those of a busy machine")
    results = [measure(size, arguments, binaries) for size in arguments.sizes]
    functions = json.loads((ROOT / "infra/functions.json").read_text())["functions"]
    text = report.markdown(results, functions)
    conditions = (
        f"Measured on {datetime.date.today()} with `make bench-scale` on {table.machine()} (load {load:.1f} at the start) "
        "with sample data on local files, once for each size, and with all cores for each function."
    )
    print(text)
    if arguments.write:
        table.write(ROOT / "docs/scale.md", "bench-scale", f"{conditions}\n\n{text}")
        say("wrote the tables into docs/scale.md")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs=2, default=[1, 10], metavar="SIZE", help="two multiples of 56 counters")
    parser.add_argument("--train-days", type=int, default=TRAIN_DAYS, help="the number of days of training data")
    parser.add_argument("--counters", type=int, default=COUNTERS, help="the number of counters of size 1")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/scale.md")
    parser.add_argument("--binaries", type=Path, help="the folder of the release binaries")
    return parser.parse_args()


def measure(size, arguments, binaries):
    """Returns the results of all steps of one size."""
    folder = ROOT / "target/scale" / str(size)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    steps = Steps(City(folder, arguments.counters * size, arguments.train_days), binaries)
    measured = {}
    for name, step in steps.all():
        say(f"{size} times the city: {name}")
        result = measured[name] = step()
        say(f"{size} times the city: {name}: {result.seconds:.1f} s, {result.peak_mib:.0f} MiB")
    # The state and the data of ten cities take gigabytes.
    shutil.rmtree(folder)
    return report.Result(size, arguments.counters * size, measured, steps.sizes)


def say(text):
    print(f"bench-scale: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
