"""The project stage as it runs in production, task code and store included, against its bare computation.

`python -m bench.stage_project [--quick]` writes 10,000 clouds into a folder store and lets the project task turn them
into depth shards: read, project, encode, write, hash, commit. In turns with its shards, a part of the same clouds is
projected by as many threads with nothing around. What the stage takes longer than that, an object, is the share of its
time not spent computing; by the clock and by processor time. Writes bench/results/stage_project.json.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command sets it

import numpy as np
import torch

from bench.projection import chair, machine
from opendlign.mini_corpus import MINI_PROJECTION
from opendlign_core.projection import RECIPES, ProjectionExecution, ProjectionRecipe, project
from opendlign_core.recipe import Recipe
from opendlign_core.samples import Cloud, CloudMeta
from opendlign_core.streams import mapped
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.store import Store
from storage.stores import open_store
from tasks.project import PROJECT
from tasks.shards import building, finish
from tests.tasks.making import at_work, build, commit, plan

RESULTS = Path(__file__).parent / "results" / "stage_project.json"
SHAPES = 32
SHARD = 250
BATCH = 16


class Chairs(Recipe):
    """The clouds of this bench."""

    objects: int
    points: int


@dataclass
class Spent:
    """Seconds by the clock and of the processor."""

    wall: float = 0.0
    processor: float = 0.0

    @contextmanager
    def counting(self) -> Iterator[None]:
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.processor += time.process_time() - processor


def write_clouds(store: Store, recipe: Chairs, shapes: list[np.ndarray[Any, Any]]) -> Manifest:
    """An ingest output like a real one: a cloud and its description per sample."""
    output = StageOutput(store, StageIdentity.of("ingest", 1, recipe))
    shards = plan_shards(recipe.objects, SHARD)
    for shard in shards:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                meta = CloudMeta(object_id=f"chair/{number}", source="chair", split="train", label="chair")
                builder.add(Cloud(meta, shapes[number % len(shapes)]))
    return finish(output, shards, max_rejected_share=0.0)


def measure(objects: int, points: int, recipe: ProjectionRecipe, bare_share: float) -> dict[str, Any]:
    """Run the stage shard by shard, and after each shard the bare computation of a part of its clouds."""
    shapes = [chair(points, seed).numpy() for seed in range(SHAPES)]
    whole, bare, computed = Spent(), Spent(), 0
    with tempfile.TemporaryDirectory(prefix="opendlign-bench-") as folder:
        store = open_store(folder)
        given = {"clouds": write_clouds(store, Chairs(objects=objects, points=points), shapes)}
        compute(shapes, 0, BATCH, recipe)
        with at_work(PROJECT, store, recipe, given, ProjectionExecution(device="cpu")) as job:
            for shard in plan(PROJECT, job).shards:
                with whole.counting():
                    build(PROJECT, job, [shard])
                part = max(4 * BATCH, int(bare_share * (shard.stop - shard.start)) // BATCH * BATCH)
                with bare.counting():
                    compute(shapes, shard.start, part, recipe)
                computed += part
            with whole.counting():
                manifest = commit(PROJECT, job)
        size = sum(record.shard.bytes for record in manifest.shards)
    return {
        "objects": manifest.samples, "points": points, "size": recipe.size, "shards": len(manifest.shards),
        "objects_per_second": round(objects / whole.wall, 1),
        "bare_objects_per_second": round(computed / bare.wall, 1),
        "share_not_computing": round(1 - bare.wall / computed * objects / whole.wall, 3),
        "processor_share_not_computing": round(1 - bare.processor / computed * objects / whole.processor, 3),
        "processor_ms_per_object": round(whole.processor / objects * 1e3, 2),
        "bytes_per_object": size // objects,
    }  # fmt: skip


def compute(shapes: list[np.ndarray[Any, Any]], start: int, count: int, recipe: ProjectionRecipe) -> None:
    """Project batches side by side as the stage does, and drop the results."""
    batches = (
        torch.from_numpy(np.stack([shapes[i % len(shapes)] for i in range(first, first + BATCH)]))
        for first in range(start, start + count, BATCH)
    )
    threads = torch.get_num_threads()
    for _ in mapped(lambda batch: project(batch, recipe), batches, threads, partial(torch.set_num_threads, 1)):
        pass
    torch.set_num_threads(threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few objects, and no result file")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    quick = arguments.quick
    about = machine()
    report = {
        "machine": about,
        "mini": measure(500 if quick else 10_000, 1024, MINI_PROJECTION, 0.5),
        "full": measure(128 if quick else 10_000, 10_000, RECIPES["opendlign"], 0.25),
    }
    print(json.dumps(report, indent=2))
    if not quick:
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
