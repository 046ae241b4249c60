"""Feed damaged files to every reader through real parser processes and count what comes back.

Every input must end as an object or as a rejection with a reason. An undeclared exception stops the run and leaves the
input in the working folder. Peak memory of the parser processes is recorded beside the counts.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from opendlign_core.ingestion import (
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    ObjectEntry,
    RejectedObject,
    SourceSpec,
)
from opendlign_core.ingestion.errors import LimitReached
from opendlign_core.ingestion.workers import ParserWorker
from tests.ingestion.mutations import damage
from tests.ingestion.samples import SAMPLES

RESULTS = Path(__file__).parent / "results" / "fuzz_readers.json"
ROOT = Path(__file__).resolve().parent.parent
TIMEOUT, MEMORY_MIB = 10.0, 512
_PACKS = (".npy", ".npz", ".h5")
_LARGEST_SEED = 200_000
_SEEDS_PER_SUFFIX = 24


def seeds() -> dict[str, list[bytes]]:
    """Valid files by suffix: the generated ones, and real ones where the folder of real shapes is present."""
    found = {suffix: [make() for make in makers] for suffix, makers in SAMPLES.items()}
    folder = Path(os.environ.get("OPENDLIGN_DATA", ROOT.parent / "shared" / "data"))
    real = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= _LARGEST_SEED)
    for path in real:
        suffix = path.suffix.lower()
        if suffix in found and len(found[suffix]) < _SEEDS_PER_SUFFIX:
            found[suffix].append(path.read_bytes())
    return found


def classify(reason: str) -> str:
    """The kind of a rejection: what the parser said, or what was done to its process."""
    for start, kind in (
        ("killed", "process died"),
        ("took longer", "timed out"),
        ("needs more than", "out of memory"),
    ):
        if start in reason:
            return kind
    return "rejected"


class Fuzzer:
    """One worker's share of the inputs of every suffix."""

    def __init__(self, folder: Path, lane: int, seed: int) -> None:
        self.folder, self.lane, self.seed = folder, lane, seed
        recipe = IngestRecipe(source=SourceSpec(adapter="fuzz"), points=256)
        self.worker = ParserWorker(recipe, IngestExecution(timeout_seconds=TIMEOUT, memory_mib=MEMORY_MIB))
        self.counts: dict[str, Counter[str]] = {}
        self.slowest = 0.0
        self.peak_mib = 0

    def run(self, corpus: dict[str, list[bytes]], lanes: int, per_suffix: int) -> None:
        """Feed every suffix its inputs; the inputs depend on the seed alone, not on the number of lanes."""
        for order, (suffix, files) in enumerate(corpus.items()):
            tally = self.counts.setdefault(suffix, Counter())
            for number in range(self.lane, per_suffix, lanes):
                rng = np.random.default_rng([self.seed, order, number])
                first, second = (files[int(rng.integers(len(files)))] for _ in range(2))
                # Packs of clouds are read by row, so half of the array files are asked for one.
                member = 0 if suffix in _PACKS and rng.random() < 0.5 else None
                tally[self.feed(damage(first, second, suffix, rng), suffix, member)] += 1

    def feed(self, data: bytes, suffix: str, member: int | None) -> str:
        """The kind of outcome of one input."""
        path = self.folder / f"lane{self.lane}{suffix}"
        path.write_bytes(data)
        entry = ObjectEntry(object_id="fuzz/input", source="fuzz", split="fuzz", uri=path.name, member=member)
        before = time.perf_counter()
        try:
            outcome = self.worker.parse(entry, {entry.uri: path})
        except LimitReached as error:
            return classify(str(error))
        finally:
            self.slowest = max(self.slowest, time.perf_counter() - before)
        self._note_memory()
        if isinstance(outcome, RejectedObject):
            return classify(outcome.reason)
        assert isinstance(outcome, IngestedObject)
        sane = outcome.points.shape == (256, 3) and bool(np.isfinite(outcome.points).all())
        return "read" if sane else "INSANE CLOUD"

    def _note_memory(self) -> None:
        status = Path(f"/proc/{self.worker.pid}/status")
        if self.worker.pid is not None and status.exists():
            line = next((row for row in status.read_text().splitlines() if row.startswith("VmHWM")), "VmHWM: 0 kB")
            self.peak_mib = max(self.peak_mib, int(line.split()[1]) >> 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 inputs per format instead of 1,200")
    parser.add_argument("--per-format", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lanes", type=int, default=2)
    arguments = parser.parse_args()
    per_suffix = arguments.per_format or (40 if arguments.quick else 1200)
    corpus = seeds()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    fuzzers = [Fuzzer(folder, lane, arguments.seed) for lane in range(arguments.lanes)]
    started = time.perf_counter()
    with ThreadPoolExecutor(arguments.lanes) as threads:
        for future in [threads.submit(fuzzer.run, corpus, arguments.lanes, per_suffix) for fuzzer in fuzzers]:
            future.result()
    for fuzzer in fuzzers:
        fuzzer.worker.close()
    counts = {suffix: sum((fuzzer.counts[suffix] for fuzzer in fuzzers), Counter()) for suffix in corpus}
    total: Counter[str] = sum(counts.values(), Counter())
    report = {
        "machine": f"{os.cpu_count()}-core {platform.machine()}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "seed": arguments.seed,
        "inputs": total.total(),
        "seconds": round(time.perf_counter() - started, 1),
        "limits": {"seconds_per_input": TIMEOUT, "memory_mib": MEMORY_MIB},
        "slowest_seconds": round(max(fuzzer.slowest for fuzzer in fuzzers), 2),
        "peak_process_mib": max(fuzzer.peak_mib for fuzzer in fuzzers),
        "outcomes": dict(total),
        "by_format": {suffix: dict(tally) for suffix, tally in counts.items()},
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    if not arguments.quick:
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
