"""Many scenes through the stages, and one that is far too large: how much memory that takes.

`OMP_NUM_THREADS=1 python -m bench.scene_stream [--scenes 100] [--cut 12]` writes that many rooms of 200,000 points
into a folder store, cuts out their true boxes and projects them, all in this process, whose peak is told after each
step; then it does the same with superpoints, which take some five seconds a scene, for the first few of these rooms.
At last it ingests a scan of 20 million points as the console does. Writes bench/results/scene_stream.json.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.projection import machine
from bench.reports import RESULTS, Report
from opendlign.mini_corpus import MINI_PROJECTION
from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedScene,
    IngestExecution,
    IngestRecipe,
    SourceSpec,
    ingest_entries,
    list_entries,
)
from opendlign_core.ingestion.procedural.rooms.room import procedural_room
from opendlign_core.projection import ProjectionExecution
from opendlign_core.proposal import ProposeExecution, ProposeRecipe
from opendlign_core.recipe import Recipe
from opendlign_core.samples import Scene
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.store import Store
from storage.stores import open_store
from tasks.project import PROJECT
from tasks.propose import PROPOSE
from tasks.shards import building, finish
from tests.tasks.making import make

POINTS, LARGE = 200_000, 20_000_000
ROOMS = 8
SPREAD = 0.015
"""Metres by which the points of a room are blurred to make many of few."""
HEADER = b"ply\nformat binary_little_endian 1.0\nelement vertex %d\n%send_header\n"
Row = dict[str, Any]


class Rooms(Recipe):
    """The scenes of this bench."""

    scenes: int


def peak_gigabytes() -> float:
    told = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return round(int(told[1]) / 1e6, 2) if told else float("nan")


def costed(work: Callable[[], Any]) -> tuple[Any, Row]:
    started = time.process_time()
    made = work()
    return made, {"processor_seconds": round(time.process_time() - started, 1), "peak_gb": peak_gigabytes()}


def dense(room: Scene, number: int) -> Scene:
    """The room with `POINTS` points, as another scene."""
    rng = np.random.default_rng(number)
    chosen = rng.integers(len(room.points), size=POINTS)
    blurred = room.points[chosen] + rng.uniform(-SPREAD, SPREAD, (POINTS, 3))
    meta = room.meta.model_copy(update={"object_id": f"rooms/dense-{number}"})
    return Scene(meta, blurred.astype(np.float32), room.boxes)


def write_scenes(store: Store, count: int) -> Manifest:
    output, shards = StageOutput(store, StageIdentity.of("ingest", 1, Rooms(scenes=count))), plan_shards(count, 20)
    rooms = [procedural_room(0, index) for index in range(ROOMS)]
    for shard in shards:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                builder.add(dense(rooms[number % ROOMS], number))
    return finish(output, shards, max_rejected_share=0.0)


def large_scan(folder: Path) -> Row:
    """A scan of too many points, ingested by parser processes under the limits that every file has."""
    rng, columns = np.random.default_rng(0), b"property float x\nproperty float y\nproperty float z\n"
    with (folder / "hall.ply").open("wb") as file:
        file.write(HEADER % (LARGE, columns))
        for wall in range(20):
            points = rng.uniform(0, 20, (LARGE // 20, 3)).astype(np.float32)
            points[:, wall % 3] = (wall // 3) * 2.5
            file.write(points.tobytes())
    source, files = SourceSpec(adapter="scans", url=str(folder)), DirectoryFiles(folder)
    execution = IngestExecution(workers=1, timeout_seconds=300)  # another program may have the other core
    (found,) = ingest_entries(list_entries(source, files), IngestRecipe(source=source), execution, files)
    if not isinstance(found, IngestedScene):
        raise RuntimeError(f"the scan was rejected: {found}")
    meta = found.scene.meta
    return {"points": meta.points, "kept": len(found.scene.points), "cubes_m": meta.cubes}


def through(report: Report, store: Store, scenes: Manifest, kind: str) -> None:
    """Cut up and project, and tell what each took."""
    recipe = ProposeRecipe.model_validate({"proposer": {"kind": kind}})
    crops, cost = costed(lambda: make(PROPOSE, store, recipe, {"scenes": scenes}, ProposeExecution()))
    report.add(f"propose {kind}", lambda: {"scenes": scenes.samples, "clouds": crops.samples, **cost})
    cpu = ProjectionExecution(device="cpu")
    maps, cost = costed(lambda: make(PROJECT, store, MINI_PROJECTION, {"clouds": crops}, cpu))
    report.add(f"project {kind}", lambda: {"maps_of": maps.samples, **cost})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--cut", type=int, default=12)
    asked = parser.parse_args()
    report = Report(RESULTS / "scene_stream.json", machine())
    with tempfile.TemporaryDirectory() as scratch:
        store = open_store(Path(scratch) / "store")
        scenes, few = (write_scenes(store, count) for count in (asked.scenes, asked.cut))
        report.add("written", lambda: {"points_each": POINTS, "peak_gb": peak_gigabytes()})
        through(report, store, scenes, "ground-truth")
        through(report, store, few, "superpoints")
        (Path(scratch) / "scans").mkdir()
        report.add("large", lambda: large_scan(Path(scratch) / "scans"))
    report.end()


if __name__ == "__main__":
    main()
