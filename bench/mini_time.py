"""Where the time of `opendlign run --preset mini` goes: every second of a run in a terminal, and of a second run.

A phase lasts from what the screen shows first of it to what it shows first of the next. Beside seconds of the clock
stand those of the processors, of the command and all its processes: on a busy machine they tell more.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil

from tests.cli.terminal import Terminal

RESULTS = Path(__file__).parent / "results" / "mini_time.json"
ENDS = {"Plan for": "plan", "Starting the engine": "start the engine", " is complete in ": "stop the engine, report"}
"""What the screen shows when a phase begins that is not a stage's."""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BAR = re.compile(r"^\s*([a-z][a-z -]*?)\s+[━╸╺]", re.MULTILINE)


@dataclass
class Clock:
    """Seconds of the clock and of the processors at which phases began."""

    process: psutil.Process
    started: float = field(default_factory=time.monotonic)
    begun: dict[str, tuple[float, float]] = field(default_factory=dict)

    def begin(self, phase: str) -> None:
        if phase not in self.begun:
            self.begun[phase] = (time.monotonic() - self.started, self.processors())

    def processors(self) -> float:
        """Of the process, of those that it started, and of those of them that have ended."""
        spent = 0.0
        with suppress(psutil.Error):
            for process in (self.process, *self.process.children(recursive=True)):
                with suppress(psutil.Error):
                    spent += sum(process.cpu_times()[:4])
        return spent

    def phases(self, end: float, spent: float) -> Iterator[tuple[str, dict[str, float]]]:
        bounds = [*self.begun.items(), ("", (end, spent))]
        for (phase, began), (_, ended) in pairwise(bounds):
            taken = {"seconds": ended[0] - began[0], "processor_seconds": ended[1] - began[1]}
            yield phase, {name: round(value, 1) for name, value in taken.items()}


def _environment(folder: Path) -> dict[str, str]:
    """Of a user who has never run anything."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    return {**kept, "PREFECT_HOME": str(folder / "prefect"), "XDG_CACHE_HOME": str(folder / "cache")}


def installed(folder: Path) -> dict[str, float]:
    """Do what the installation does for the first run, beside compiling."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "opendlign.database"], env=_environment(folder), check=True)
    return {"seconds": round(time.monotonic() - started, 1)}


def timed_run(folder: Path, *words: str) -> dict[str, dict[str, float]]:
    """Run the command in a terminal; its phases in order, and `in all`."""
    environment = _environment(folder)
    terminal = Terminal("-m", "opendlign", "run", "--store", "store", *words, cwd=folder, environment=environment)
    clock = Clock(psutil.Process(terminal.process.pid))
    clock.begin("start Python, list shapes")
    spent = 0.0
    while terminal.process.poll() is None:
        terminal.read(0.1)
        screen = _COLOURS.sub("", terminal.shown.replace("\r", "\n"))
        for phase in [*(phase for text, phase in ENDS.items() if text in screen), *_BAR.findall(screen)]:
            clock.begin(phase)
        spent = max(spent, clock.processors())
    end = time.monotonic() - clock.started
    code = terminal.ended(60)
    terminal.close()
    if code:
        raise RuntimeError(f"the run ended with {code}:\n{terminal.shown[-2000:]}")
    return {
        **dict(clock.phases(end, spent)),
        "in all": {"seconds": round(end, 1), "processor_seconds": round(spent, 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="mini")
    parser.add_argument("--set", action="append", default=[], help="as for `opendlign run`")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    words = ["--preset", options.preset, *(word for change in options.set for word in ("--set", change))]
    found: dict[str, object] = {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version()},
        "load_before": round(os.getloadavg()[0], 1),
        "words": words,
    }
    with tempfile.TemporaryDirectory(prefix="opendlign-mini-time-") as scratch:
        found["at installation"] = installed(Path(scratch))
        for name in ("first", "again"):
            found[name] = timed_run(Path(scratch), *words)
            print(name, json.dumps(found[name], indent=1), flush=True)
    found["load_after"] = round(os.getloadavg()[0], 1)
    options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
