"""Times `bike-traffic train` on an idle machine and beside a process that burns one core.

Usage: busy.py [--repetitions 3] [--write]      (make bench-busy)

Works on TRAIN_DATA_PATH and TEST_DATA_PATH, or on sample data if they are not set. The variants run in
turn: idle, busy, and busy with OMP_WAIT_POLICY=passive, in which idle threads sleep. The first two
have no variable of OpenMP. `--write` writes the table into docs/performance.md.
"""

import argparse
import contextlib
import datetime
import os
import shutil
import subprocess
import sys
from pathlib import Path

import table
from measure import median, run
from workspace import COUNTERS, ROOT

FOLDER = ROOT / "target/busy"
VARIABLES = ["TRAIN_DATA_PATH", "TEST_DATA_PATH"]
# The largest ratio of the time beside another process to that with passive threads.
GOAL = 1.3
IDLE, BUSY, PASSIVE = "idle machine", "busy machine", "busy machine, `OMP_WAIT_POLICY=passive`"


def main():
    arguments = parse()
    binaries = arguments.binaries or Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    program = binaries / "bike-traffic"
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"the load of this machine is {load:.1f}: no figure is that of an idle machine")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    is_real = all(os.environ.get(name) for name in VARIABLES)
    data = [os.environ[name] for name in VARIABLES] if is_real else sample_data(program, environment)
    samples = {IDLE: [], BUSY: [], PASSIVE: []}
    variants = list(samples)
    for repetition in range(arguments.repetitions):
        # Each variant is first, second and last in turn.
        shift = repetition % len(variants)
        for variant in variants[shift:] + variants[:shift]:
            seconds = train(program, data, environment, variant)
            say(f"{repetition + 1} of {arguments.repetitions}: {variant}: {seconds:.1f} s")
            samples[variant].append(seconds)
    source = "the real data" if is_real else f"sample data of {COUNTERS} counters"
    conditions = (
        f"Measured on {datetime.date.today()} with `make bench-busy` on {table.machine()} (load {load:.1f} at the start) "
        f"with {source}: medians, in parentheses the range of the repetitions, all variants in turn."
    )
    text = f"{markdown(samples)}\n\n{conditions}"
    print(text)
    if arguments.write:
        table.write(ROOT / "docs/performance.md", "bench-busy", text)
        say("wrote the table into docs/performance.md")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="the repetitions of each variant")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    parser.add_argument("--binaries", type=Path, help="the folder of the release binaries")
    return parser.parse_args()


def sample_data(program, environment):
    say(f"making sample data of {COUNTERS} counters")
    run([program, "sample-data", "--counters", COUNTERS, "--out", FOLDER / "data"], environment)
    return [FOLDER / "data" / f"{name}.csv.gz" for name in ("train_baseline", "test_baseline")]


def train(program, data, environment, variant):
    """Returns the seconds of a training in a new state."""
    state = FOLDER / "state"
    shutil.rmtree(state, ignore_errors=True)
    command = [program, "train", "--state", state, "--train-path", data[0], "--test-path", data[1]]
    command += ["--allow-worse-than-naive", "--json"]
    if variant == PASSIVE:
        environment = environment | {"OMP_WAIT_POLICY": "passive"}
    with contextlib.nullcontext() if variant == IDLE else BurnedCore():
        return run(command, environment).seconds


class BurnedCore:
    """A process that keeps one core busy. Leaving the context stops it."""

    def __enter__(self):
        self.process = subprocess.Popen(["yes"], stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def markdown(samples):
    """Returns the times, and the ratio of each variant to that with passive threads."""
    lines = [["`bike-traffic train`", "time", "against the last row", "goal"], ["---"] * 4]
    passive = median(samples[PASSIVE])
    for variant, seconds in samples.items():
        ratio = median(seconds) / passive
        goal = f"≤ {GOAL}: {'met' if ratio <= GOAL else 'missed'}" if variant == BUSY else ""
        spread = f"{table.digits(min(seconds))} to {table.digits(max(seconds))}"
        lines.append([variant, f"{table.digits(median(seconds))} s ({spread})", f"{ratio:.2f} of it", goal])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def say(text):
    print(f"bench-busy: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
