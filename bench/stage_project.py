"""The project stage as it runs in production, task code and store included, against its bare computation.

`python -m bench.stage_project [--quick]` writes 10,000 clouds into a folder store and lets the project task turn them
into depth shards: read, project, encode, write, hash, commit. The share of time not computing is the part of the
stage's wall-clock during which no batch was being projected. As a second opinion, a part of the clouds is projected
with nothing around, in turns with the stage, and processor time is compared. Writes bench/results/stage_project.json.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads would count as computing

import numpy as np
import torch

from bench.projection import chair, machine
from opendlign.mini_corpus import MINI_PROJECTION
from opendlign_core.projection import RECIPES, ProjectionExecution, ProjectionRecipe, project, stream
from opendlign_core.recipe import Recipe
from storage.fingerprint import StageIdentity
from storage.output import ShardRange, StageOutput, plan_shards
from storage.records import Manifest
from storage.shards import encode_array, sample_key
from storage.stores import Store, open_store
from tasks import project as stage
from tasks.shards import ShardWork, StagePlan, building, finish

RESULTS = Path(__file__).parent / "results" / "stage_project.json"
SHAPES = 32
SHARD = 250


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
    plan = plan_shards(recipe.objects, SHARD)
    stored = [encode_array(shape) for shape in shapes]
    for shard in plan:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                meta = {"object_id": f"chair/{number}", "split": "train", "label": "chair", "caption": "chair"}
                builder.add(sample_key(meta["object_id"]), {"points.npy": stored[number % len(stored)]}, meta)
    return finish(output, plan, max_rejected_share=0.0)


def measure(objects: int, points: int, recipe: ProjectionRecipe, bare_share: float) -> dict[str, Any]:
    """Run the stage shard by shard, and after each shard the bare computation of a part of its clouds."""
    shapes = [chair(points, seed).numpy() for seed in range(SHAPES)]
    execution = ProjectionExecution(device="cpu")
    whole, inside, bare, computed = Spent(), Spent(), Spent(), 0
    with tempfile.TemporaryDirectory(prefix="opendlign-bench-") as folder:
        store = open_store(folder)
        clouds = write_clouds(store, Chairs(objects=objects, points=points), shapes)
        planned = stage.plan(store, recipe, clouds)
        project(torch.from_numpy(np.stack(shapes[:16])), recipe)
        for shard in planned.shards:
            with whole.counting(), timing_projection(inside):
                build(planned, shard, recipe, execution, clouds)
            part = max(16, int(bare_share * (shard.stop - shard.start)) // 16 * 16)
            with bare.counting():
                compute(shapes, shard.start, part, recipe)
            computed += part
        with whole.counting():
            manifest = stage.commit(planned, execution)
        size = sum(record.shard.bytes for record in manifest.shards)
    return {
        "objects": manifest.samples, "points": points, "size": recipe.size, "shards": len(manifest.shards),
        "objects_per_second": round(objects / whole.wall, 1),
        "bare_objects_per_second": round(computed / bare.wall, 1),
        "share_not_computing": round(1 - inside.wall / whole.wall, 3),
        "processor_share_not_computing": round(1 - bare.processor / computed * objects / whole.processor, 3),
        "processor_ms_per_object": round(whole.processor / objects * 1e3, 2),
        "bytes_per_object": size // objects,
    }  # fmt: skip


@contextmanager
def timing_projection(spent: Spent) -> Iterator[None]:
    """Count the time that the stage's one computing thread spends projecting."""
    product = stream.project

    def timed(*arguments: Any) -> torch.Tensor:
        with spent.counting():
            return product(*arguments)

    stream.project = timed  # type: ignore[assignment]
    try:
        yield
    finally:
        stream.project = product


def build(
    planned: StagePlan, shard: ShardRange, recipe: ProjectionRecipe, execution: ProjectionExecution, clouds: Manifest
) -> None:
    work = ShardWork(planned.output.store.url, planned.output.identity, (shard,))
    stage.project_shard.fn(work, recipe, execution, clouds)


def compute(shapes: list[np.ndarray[Any, Any]], start: int, count: int, recipe: ProjectionRecipe) -> None:
    for first in range(start, start + count, 16):
        project(torch.from_numpy(np.stack([shapes[i % len(shapes)] for i in range(first, first + 16)])), recipe)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="500 objects instead of 10,000")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    quick = arguments.quick
    about = machine()
    report = {
        "machine": about,
        "mini": measure(500 if quick else 10_000, 1024, MINI_PROJECTION, 0.1),
        "full": measure(64 if quick else 300, 10_000, RECIPES["opendlign"], 0.1),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
