"""Poses without training, by comparing views of CADs with photos: how often they are right, and what one costs.

`OMP_NUM_THREADS=1 python -m bench.pose_comparing [--model STORE] [--photos 60]` poses embedded photos of shapes of the
test split, given their CADs, three seeds of them, and writes bench/results/pose_comparing.json. STORE holds a run of
the preset mini, whose embeddings then help to rank views. Settings were chosen on shapes of the val split of seed 1 of
the procedural data, painted by the shaded synthesizer; nothing here was looked at before.
"""

import argparse
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import opendlign_core as od
from bench.projection import machine
from bench.reports import RESULTS, Report
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.evaluation.pose.comparing.colours import Colours
from opendlign_core.evaluation.pose.comparing.likeness import likeness_to
from opendlign_core.evaluation.pose.comparing.recipe import ComparisonRecipe
from opendlign_core.evaluation.pose.comparing.search import ComparedPose, compare
from opendlign_core.evaluation.pose.scores import PoseScore
from opendlign_core.ingestion import IngestedPhotos, IngestExecution, IngestRecipe, SourceSpec, ingest_entries
from opendlign_core.ingestion.posed.recipe import CropRecipe, PhotoReading
from opendlign_core.pose import Floats, pose_error
from opendlign_core.samples import CadMesh, PosedPhoto
from tasks.compared import comparable
from tasks.listing import list_source

SEEDS = (11, 12, 13)
READING = PhotoReading(crop=CropRecipe(height=96, width=96, distance=20.0))
RECIPE = ComparisonRecipe()
Row = dict[str, Any]


def photos_to_pose(seed: int, count: int) -> Iterator[tuple[PosedPhoto, CadMesh]]:
    """Well and partly seen things in photos of unseen shapes, with their CADs."""
    options = {"seed": str(seed), "photos": str(max(320, 8 * count))}
    source = SourceSpec(adapter="painted-photos", name="painted", splits=("test",), options=options)
    recipe = IngestRecipe(source=source, photo=READING)
    entries = list_source(recipe).entries
    for outcome in ingest_entries(entries, recipe, IngestExecution(workers=1), None):
        assert isinstance(outcome, IngestedPhotos)
        cads = {cad.digest: cad for cad in outcome.cads}
        for photo in outcome.photos:
            if photo.meta.status in ("status_good", "status_partially") and photo.meta.cad:
                yield photo, cads[photo.meta.cad.digest]


def poses_in(photo: PosedPhoto, cad: CadMesh, model: EvaluatedModel | None = None) -> list[ComparedPose]:
    """What comparing tells, the best first."""
    beside = comparable(photo, cad)
    colours = Colours.of(beside.picture, RECIPE.colours, beside.shown)
    return compare(colours, beside.draw, RECIPE, likeness_to(photo.picture(), model) if model else None)


def told(photo: PosedPhoto, cad: CadMesh, model: EvaluatedModel | None) -> tuple[float, float, float]:
    """The error of the best pose, of the best among all that were refined, and seconds of the processor."""
    started = time.process_time()
    found = poses_in(photo, cad, model)
    seconds = time.process_time() - started
    errors = pose_error(np.stack([one.angles for one in found]), photo.angles())
    return float(errors[0]), float(errors.min()), seconds


def measure(seed: int, count: int, model: EvaluatedModel | None) -> Row:
    """Scores of the photos of one seed; `errors` are degrees in the order of the photos."""
    rows, labels = [], []
    for photo, cad in photos_to_pose(seed, count):
        rows.append(told(photo, cad, model))
        labels.append(photo.meta.label)
        if len(rows) == count:
            break
    best, among, seconds = (np.array(column) for column in zip(*rows, strict=True))
    return {
        **_scored("", best),
        **_scored("best_of_refined_", among),
        "seconds_each": round(float(np.median(seconds)), 2),
        "errors": np.degrees(best).round(1).tolist(),
        "labels": labels,
    }


def _scored(prefix: str, errors: Floats) -> Row:
    score = PoseScore.of(errors)
    return {
        f"{prefix}within_30": round(score.within_30, 1),
        f"{prefix}within_10": round(score.within_10, 1),
        f"{prefix}median": round(score.median, 1),
    }


def summary(rows: list[Row]) -> Row:
    """Over all seeds: means, and the interval that 95 % of resampled photos fall into."""
    errors = np.concatenate([row["errors"] for row in rows])
    drawn = np.random.default_rng(0).choice(errors, (4000, len(errors)))
    spread: NDArray[np.floating] = np.percentile(100 * (drawn < 30).mean(1), [2.5, 97.5])
    return {
        "photos": len(errors),
        "within_30": round(float(100 * (errors < 30).mean()), 1),
        "within_30_interval": spread.round(1).tolist(),
        "within_30_of_seeds": [row["within_30"] for row in rows],
        "within_10": round(float(100 * (errors < 10).mean()), 1),
        "median": round(float(np.median(errors)), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a store with a run of mini")
    parser.add_argument("--photos", type=int, default=60, help="photos of each seed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ways: dict[str, EvaluatedModel | None] = {"silhouettes": None}
    if arguments.model:
        ways["silhouettes and embeddings"] = od.load(arguments.model, "cpu").encoders
    report = Report(RESULTS / "pose_comparing.json", machine())
    for way, model in ways.items():
        rows = [report.add(f"{way}, seed {seed}", partial(measure, seed, arguments.photos, model)) for seed in SEEDS]
        if all(rows):
            report.add(way, partial(summary, rows))
    report.end()


if __name__ == "__main__":
    main()
