"""Tests run in forked processes, each in a copy of the repository that nobody else uses at that time."""

import contextlib
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Told = dict[str, Any]
"""What a run of tests wrote about itself, with `late` and the seconds it took."""

# Imported before forking, so that no run pays for them: never code that is mutated, nor what imports it.
HEAVY = (
    "torch", "numpy", "pyarrow.parquet", "s3fs", "pydantic_settings", "open_clip", "sklearn.metrics", "scipy",
    "PIL.Image", "hypothesis", "safetensors.torch", "webdataset", "rich.console", "jinja2", "threadpoolctl",
)  # fmt: skip


@dataclass(frozen=True)
class Work:
    """Something to run in a tree: with which fault, for how many seconds at most, and who is told the end."""

    target: Callable[[Path, Path], None]
    """Called with the tree and with the file where it tells what it found."""
    limit: float
    done: Callable[[Told], None]
    file: str = ""
    text: str = ""


def warm_up() -> None:
    """Import what the tests would."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in HEAVY:
        importlib.import_module(name)


def work_through(root: Path, queue: Iterator[Work], scratch: Path, processes: int) -> None:
    """Do all work, so many at once."""
    trees = [scratch / f"tree{number}" for number in range(processes)]
    for tree in trees:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(root, tree, ignore=shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__"))
    running: dict[Path, _Run] = {}
    while True:
        for tree in trees:
            if tree not in running and (work := next(queue, None)) is not None:
                running[tree] = _Run(root, tree, work)
        if not running:
            return
        time.sleep(0.05)
        running = {tree: run for tree, run in running.items() if not run.ended()}


def run_pytest(tree: Path, root: Path, arguments: list[str], plugin: object) -> int:
    """Run tests of a tree in this process, a fork of the bench's, and return pytest's exit code."""
    os.chdir(tree)
    foreign = [entry for entry in sys.path if entry and Path(entry) not in (root, root / "bench")]
    sys.path[:] = [str(tree), *foreign]
    os.environ["PYTHONPATH"] = str(tree)
    sys.modules["__main__"] = ModuleType("__main__")  # what tests spawn would import the bench otherwise
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    quiet = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*quiet, *arguments], plugins=[plugin]))


class _Run:
    """Work under way."""

    def __init__(self, root: Path, tree: Path, work: Work) -> None:
        self.root, self.tree, self.work, self.into = root, tree, work, tree.with_suffix(".json")
        self.into.unlink(missing_ok=True)
        if work.file:
            (tree / work.file).write_text(work.text)
        self.started = time.monotonic()
        self.process: ForkProcess = multiprocessing.get_context("fork").Process(target=self._alone)
        self.process.start()

    def _alone(self) -> None:
        os.setsid()
        self.work.target(self.tree, self.into)

    def ended(self) -> bool:
        """Whether it is over, by itself or by its limit; then its tree is as before and the end is told."""
        took = time.monotonic() - self.started
        late = took > self.work.limit
        if self.process.is_alive() and not late:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)  # with all that the tests left behind
        self.process.join()
        if self.work.file:
            shutil.copy2(self.root / self.work.file, self.tree / self.work.file)
        told = json.loads(self.into.read_text()) if self.into.exists() else {"code": -1, "killer": ""}
        self.work.done({**told, "late": late, "took": round(took, 1)})
        return True
