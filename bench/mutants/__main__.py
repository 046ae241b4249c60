"""Draw mutants by a seed and run each against the tests of its room that reach it, the quickest first.

A run that is stopped goes on where it was; `--again` runs survivors once more, against the tests as they are by then.
A survivor that no caller could tell from the original is marked by hand in the results: `outcome: equivalent`, and a
`reason`. Takes about three seconds a mutant, and minutes to trace the tests before.

    python -m bench.mutants [--seed 1] [--count 400] [--processes 2] [--minutes 30] [--again] [--out FILE]
"""

import argparse
import itertools
import json
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.mutants.drawing import draw
from bench.mutants.judging import first_outcome, judged, last_outcome, table
from bench.mutants.rooms import PRODUCT
from bench.mutants.running import warm_up, work_through
from bench.mutants.tracing import trace_rooms

RESULTS = PRODUCT.root / "bench" / "results" / "mutants.json"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0, help="start no mutant after these")
    parser.add_argument("--again", action="store_true", help="run those that survived once more")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results are, and where they go")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "opendlign-mutants")
    return parser.parse_args()


def _about(seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "machine": f"{os.cpu_count()}-core {platform.machine()}",
        "versions": {"python": platform.python_version(), "cosmic-ray": version("cosmic-ray")},
    }


def main() -> None:
    options = _options()
    stop = time.monotonic() + 60 * options.minutes
    kept = json.loads(options.out.read_text()) if options.out.exists() else {**_about(options.seed), "mutants": []}
    if kept["seed"] != options.seed:
        raise SystemExit(f"{options.out} holds a sample of seed {kept['seed']}; name another file with --out")
    rows = kept["mutants"]
    if len(rows) < options.count:
        rows += draw(PRODUCT, options.seed, options.count)[len(rows) :]

    def save() -> None:
        options.out.write_text(json.dumps(kept, indent=1) + "\n")

    warm_up()
    traces = trace_rooms(PRODUCT, options.scratch, options.processes)
    due = [row for row in rows if row.get("outcome") == ("survived" if options.again else None)]
    in_time = itertools.takewhile(lambda _: time.monotonic() < stop, judged(PRODUCT, due, traces, save))
    work_through(PRODUCT.root, in_time, options.scratch, options.processes)
    save()
    print("the first run", table(PRODUCT, rows, first_outcome), sep="\n\n", end="\n\n")
    print("the last run", table(PRODUCT, rows, last_outcome), sep="\n\n")


if __name__ == "__main__":
    main()
