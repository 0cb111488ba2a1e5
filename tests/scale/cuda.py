"""Times training on the CPU and on an NVIDIA GPU, on 0.7 and 7 million rows of sample data.

Usage: cuda.py [--write]      (make bench-cuda)

Works with the binary of `make cuda`. `--write` writes the table into docs/training.md.
"""

import argparse
import datetime
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests/peers")]

import table  # noqa: E402
from city import City  # noqa: E402
from measure import median  # noqa: E402
from steps import Steps, rows_of  # noqa: E402

SIZES = [56, 560]
DEVICES = ["cpu", "cuda"]
REPETITIONS = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table into docs/training.md")
    arguments = parser.parse_args()
    card = name_of_card()
    lines = [["rows", "CPU", "GPU", "GPU against CPU", "memory of the process", "MAE on the fixed test set"], ["---"] * 6]
    lines += [measure(counters) for counters in SIZES]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    conditions = (
        f"Measured on {datetime.date.today()} with `make bench-cuda` on {table.machine()} and {card}: `train` as a whole "
        f"process, medians of {REPETITIONS}, both devices in turn. Pairs are CPU and GPU."
    )
    print(text)
    if arguments.write:
        table.write(ROOT / "docs/training.md", "bench-cuda", f"{conditions}\n\n{text}")


def name_of_card():
    """Returns the name of the GPU. Stops if there is none."""
    try:
        found = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"cannot measure training on a GPU: nvidia-smi finds none ({error})") from None
    return found.stdout.splitlines()[0].replace(", ", " with driver ")


def measure(counters):
    """Returns the cells of one size."""
    folder = ROOT / "target/scale" / f"cuda-{counters}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    city = City(folder, counters)
    steps = Steps(city, ROOT / "target/cuda/release")
    steps.command(*city.sample_arguments())
    seconds, peaks, maes = ({device: [] for device in DEVICES} for _ in range(3))
    for repetition in range(REPETITIONS):
        for device in DEVICES if repetition % 2 == 0 else reversed(DEVICES):
            measured = steps.train(device)
            seconds[device].append(measured.seconds)
            peaks[device].append(measured.peak_mib)
            maes[device].append(json.loads(steps.output)["scores"]["mae"])
            print(f"bench-cuda: {counters} counters on {device}: {measured.seconds:.1f} s", file=sys.stderr, flush=True)
    rows = rows_of(city.train)
    shutil.rmtree(folder)
    cpu, cuda = (median(seconds[device]) for device in DEVICES)
    return [
        f"{rows:,}",
        f"{cpu:.1f} s",
        f"{cuda:.1f} s",
        table.speed(cpu / cuda),
        ", ".join(f"{median(peaks[device]):.0f} MiB" for device in DEVICES),
        ", ".join(f"{median(maes[device]):.2f}" for device in DEVICES),
    ]


if __name__ == "__main__":
    main()
