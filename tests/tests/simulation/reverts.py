"""Shows that the simulation finds each fault whose fix is taken back.

    reverts.py [--check] [--first-seed SEED] [--schedules NUMBER] [--target-dir DIR] [FAULT...]

Each entry of REVERTS is the smallest change that brings a fault back. The program copies the files
that git tracks to DIR/tree, makes one change, runs the simulation there, and expects a violation.
Then it restores the files. At the end the unchanged copy must pass with the same seeds.

DIR is `target/simulate-reverts` by default. Its builds are not shared with those of the working
tree: cargo would take a program with a fault for the present one. `--check` only compares the
entries with the sources.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[3]
BROKEN_RULE = re.compile(r"the schedule of seed (\d+) breaks the rule (\w+):")
SIMULATION = "cargo test --locked --package tests --test simulation -- --exact"
TEST = "every_schedule_keeps_the_invariants"


class Edit(NamedTuple):
    """Replaces a text, which must occur once in the file."""

    file: str
    old: str
    new: str


class Revert(NamedTuple):
    """A fault, and the edits that take back its fix."""

    name: str
    fault: str
    edits: list[Edit]


INGEST = "functions/ingest/src/day.rs"
PREDICT = "functions/predict/src/lib.rs"
PROMOTE = "functions/promote/src/lib.rs"
FINISH = "shared/runtime/src/deliver/finish.rs"
DEAD_LETTER = "shared/runtime/src/deliver/dead_letter.rs"
PROMOTION = "shared/src/registry/promotion.rs"
EMBEDDED = "shared/src/registry/embedded.rs"
MODEL = "shared/model/src/lib.rs"

REVERTS = [
    Revert(
        "fence-of-counts",
        "a delivery that has lost its lease replaces a table of counts",
        [
            Edit(
                INGEST,
                """        self.fence.check().await?;
        self.warehouse
            .replace_counts(""",
                """        self.warehouse
            .replace_counts(""",
            )
        ],
    ),
    Revert(
        "fence-of-forecasts",
        "a delivery that has lost its lease replaces a table of forecasts",
        [
            Edit(
                PREDICT,
                """        context.fence.check().await?;
        self.warehouse.replace_forecasts(""",
                """        self.warehouse.replace_forecasts(""",
            )
        ],
    ),
    Revert(
        "fence-of-the-champion",
        "a delivery that has lost its lease moves the champion",
        [
            Edit(
                PROMOTE,
                """        context.fence.check().await?;
        match promote(""",
                """        match promote(""",
            )
        ],
    ),
    Revert(
        "row-before-the-ledger",
        "the audit row is written before the ledger has the outcome",
        [
            Edit(
                FINISH,
                """        context.fence.record(outcome).await?;
        let row""",
                """        let row""",
            ),
            Edit(
                FINISH,
                """        Ok(self.ports.warehouse.record(&row).await?)
""",
                """        self.ports.warehouse.record(&row).await?;
        context.fence.record(outcome).await
""",
            ),
        ],
    ),
    Revert(
        "dead-letter-before-the-ledger",
        "the audit row of a dead letter is written without an outcome in the ledger",
        [
            Edit(
                DEAD_LETTER,
                """        fence.record(&outcome).await?;
""",
                "",
            )
        ],
    ),
    Revert(
        "reply-without-a-claim",
        "a request replaces the record of a newer reply that another one accepted meanwhile",
        [
            Edit(
                INGEST,
                "write_json(self.store, &record, &accepted, seen).await?;",
                "write_json(self.store, &record, &accepted, { let _ = seen; Condition::Always }).await?;",
            )
        ],
    ),
    Revert(
        "champion-by-version",
        "a promotion compares the champion's version, not the number of changes",
        [
            Edit(
                PROMOTION,
                "if present.champion == self.from && is_unchanged && !self.is_carried_out(present) {",
                "if present.champion == self.from && (is_unchanged || present.changes > 0) {",
            )
        ],
    ),
    Revert(
        "previous-in-a-later-write",
        "`previous` does not move in the write that moves `champion`",
        [
            Edit(
                EMBEDDED,
                """                self.set_previous(change.from);
""",
                "",
            )
        ],
    ),
    Revert(
        "check-after-the-move",
        "promote compares the event with its evaluation after it has moved the champion",
        [
            Edit(
                PROMOTE,
                "if (evaluation.champion, evaluation.challenger) == (event.champion, event.challenger) {",
                "if evaluation.champion == event.champion {",
            ),
            Edit(
                PROMOTE,
                """        let decision = self.decide(&evaluation, context).await?;
""",
                """        let decision = self.decide(&evaluation, context).await?;
        if evaluation.challenger != event.challenger {
            return Err(Error::permanent("the evaluation compares other versions"));
        }
""",
            ),
        ],
    ),
    Revert(
        "overtaken-promotion",
        "an event that moved the champion is `kept` once the champion has changed again",
        [
            Edit(
                PROMOTION,
                "if (is_refused || is_anothers) && self.is_carried_out(before) {",
                "if is_refused && is_anothers && self.is_carried_out(before) {",
            )
        ],
    ),
    Revert(
        "repeated-forecast",
        "the repetition of an event that made the forecasts is `settled` after midnight",
        [
            Edit(
                PREDICT,
                "if is_forecast_by(&stored, context) {",
                "if stored.is_empty() && is_forecast_by(&stored, context) {",
            )
        ],
    ),
    Revert(
        "reordered-days",
        "the forecasts of a day stay without counts if the day before is ingested later",
        [
            Edit(
                PREDICT,
                "if next < Day::of(context.now) {",
                "if next < day {",
            )
        ],
    ),
    Revert(
        "replaced-model",
        "a training replaces the files of a registered model",
        [
            Edit(
                MODEL,
                ".write(path, contents.clone().into(), Condition::Absent)",
                ".write(path, contents.clone().into(), Condition::Always)",
            )
        ],
    ),
]


def main():
    arguments = parse_arguments()
    known = {revert.name: revert for revert in REVERTS}
    unknown = [name for name in arguments.faults if name not in known]
    if unknown:
        sys.exit(f"unknown fault {unknown[0]}; known are: {', '.join(known)}")
    for revert in REVERTS:
        check(revert)
    if arguments.check:
        print(f"{len(REVERTS)} reverts match the sources")
        return
    tree = copy_tree(arguments.target_dir)
    chosen = [known[name] for name in arguments.faults] or REVERTS
    failed = [revert.name for revert in chosen if not is_found(revert, tree, arguments)]
    code, output = simulate(tree, arguments)
    if code != 0:
        print(output)
        sys.exit("the simulation fails without a revert; repair it first")
    print("unchanged: no violation")
    if failed:
        sys.exit(f"the simulation does not find: {', '.join(failed)}")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", nargs="*", metavar="FAULT")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--schedules", type=int, default=5_000)
    parser.add_argument("--target-dir", type=pathlib.Path, default=target() / "simulate-reverts")
    arguments = parser.parse_args()
    arguments.target_dir = arguments.target_dir.resolve()
    return arguments


def target():
    """Returns the folder with the builds of the working tree."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()


def check(revert):
    """Ends the program unless each old text occurs once."""
    for edit in revert.edits:
        occurrences = (ROOT / edit.file).read_text().count(edit.old)
        if occurrences != 1:
            sys.exit(
                f"cannot revert {revert.name}: {edit.file} has its text {occurrences} times, not once;"
                f" adapt {pathlib.Path(__file__).relative_to(ROOT)}:\n{edit.old}"
            )


def copy_tree(folder):
    """Copies the tracked files. Leaves equal ones untouched, so that cargo compiles less."""
    tree = folder / "tree"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    for old in [path for path in tree.rglob("*") if path.is_file()]:
        if str(old.relative_to(tree)) not in names:
            old.unlink()
    for name in sorted(names):
        source, copy = ROOT / name, tree / name
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    share_xgboost(folder)
    return tree


def share_xgboost(folder):
    """Links the compiled XGBoost of the working tree, which takes minutes to compile."""
    build = folder / "build"
    build.mkdir(parents=True, exist_ok=True)
    for archive in target().glob("xgboost-*"):
        link = build / archive.name
        if not link.exists():
            link.symlink_to(archive)


def is_found(revert, tree, arguments):
    """Returns True if the simulation reports a violation with the fault."""
    originals = {edit.file: (tree / edit.file).read_text() for edit in revert.edits}
    try:
        for edit in revert.edits:
            path = tree / edit.file
            path.write_text(path.read_text().replace(edit.old, edit.new))
        started = time.monotonic()
        code, output = simulate(tree, arguments)
    finally:
        for file, text in originals.items():
            (tree / file).write_text(text)
    seconds = time.monotonic() - started
    broken = BROKEN_RULE.search(output)
    if code != 0 and broken:
        seed, rule = broken.groups()
        print(f"{revert.name}: seed {seed} breaks {rule} ({seconds:.0f} s)", flush=True)
        return True
    if code != 0:
        print(output)
        sys.exit(f"cannot simulate {revert.name}: the run failed without a violation")
    print(f"{revert.name}: NOT FOUND, although {revert.fault}", flush=True)
    return False


def simulate(tree, arguments):
    """Runs the simulation and returns its exit code and output."""
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(arguments.target_dir / "build"),
        "FIRST_SEED": str(arguments.first_seed),
        "SCHEDULES": str(arguments.schedules),
    }
    environment.pop("SEED", None)
    done = subprocess.run(
        [*SIMULATION.split(), TEST],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


if __name__ == "__main__":
    main()
