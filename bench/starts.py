"""What a command costs before it answers: processor seconds of everyday commands on a store in which mini has run.

Processor seconds (own and system, children included) say the same on a shared machine; wall-clock time is beside them.
The packaged CLIP is loaded once as the product does and once by open_clip itself, each in a fresh process, in the same
run. `--store` names the store; without it, `opendlign run --preset mini` makes one.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import opendlign_core as od

ROUNDS = 5
RESULTS = Path(__file__).parent / "results" / "starts.json"
COMMANDS = {
    "plan": ("plan",),
    "inspect": ("inspect",),
    "a finished run": ("run",),
    "search": ("search", "a red mug", "--top", "3"),
    "classify": ("classify", "mug.off", "--labels", "mug,chair,table"),
    "a refusal": ("classify", "absent.off", "--labels", "mug,chair"),
    "help": ("--help",),
}
OURS = "from opendlign_core.clip import ClipSpec, load_clip; load_clip(ClipSpec.packaged('mini'))"
THEIRS = (
    "import open_clip; from opendlign_core.clip import packaged_folder;"
    "open_clip.create_model_and_transforms(f'local-dir:{packaged_folder(\"mini\")}')"
)


def spent(words: Sequence[str], folder: Path) -> tuple[float, float]:
    """Processor and wall-clock seconds of one process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - started


def measured(words: Sequence[str], folder: Path, rounds: int) -> dict[str, Any]:
    """The median and the range of some runs, after one that does not count."""
    spent(words, folder)
    found = [spent(words, folder) for _ in range(rounds)]
    processor = [round(one, 2) for one, _ in found]
    return {
        "processor_seconds": statistics.median(processor),
        "from_to": [min(processor), max(processor)],
        "wall_seconds": round(statistics.median(wall for _, wall in found), 2),
    }


def write_mug(path: Path) -> None:
    mug = od.toy("mug")
    lines = ["OFF", f"{len(mug.vertices)} {len(mug.faces)} 0"]
    lines += [" ".join(map(str, vertex)) for vertex in mug.vertices]
    lines += [f"3 {' '.join(map(str, face))}" for face in mug.faces]
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="a store in which mini has run")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="opendlign-starts-") as scratch:
        folder = Path(scratch)
        write_mug(folder / "mug.off")
        store = (given.store or folder / "store").absolute()
        if given.store is None:
            subprocess.run([sys.executable, "-m", "opendlign", "run", "--store", str(store)], cwd=folder, check=True)
        found: dict[str, Any] = {}
        for name, words in COMMANDS.items():
            place = () if name == "help" else ("--store", str(store))
            found[name] = measured(("-m", "opendlign", *words, *place), folder, given.rounds)
        ours, theirs = (measured(("-c", code), folder, given.rounds) for code in (OURS, THEIRS))
    found["the packaged CLIP"] = {
        "as the product loads it": ours,
        "as open_clip loads it": theirs,
        "times": round(theirs["processor_seconds"] / ours["processor_seconds"], 1),
    }
    found |= {
        "machine": f"{os.cpu_count()}-core {platform.machine()}",
        "load_average_at_start": load,
        "versions": {name: version(name) for name in ("torch", "open_clip_torch")},
    }
    print(json.dumps(found, indent=1))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
