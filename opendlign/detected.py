"""The things of a scan by name: read, proposed, cropped, named, selected, written. Heavy to import."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from opendlign.models import Trained
from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalSample, classify
from opendlign_core.evaluation.detection.choices import SelectionSpec
from opendlign_core.evaluation.detection.detections import Classified, Detections
from opendlign_core.evaluation.detection.plan import plan
from opendlign_core.evaluation.detection.selection import select
from opendlign_core.ingestion import Mesh, read_whole
from opendlign_core.ingestion.entry import UpAxis
from opendlign_core.ingestion.orient import to_y_up
from opendlign_core.ingestion.sampling import sample_surface
from opendlign_core.pictures import colours_of, write_ply
from opendlign_core.projection import UnusableCloud, project
from opendlign_core.proposal.box_files import read_boxes
from opendlign_core.proposal.crops import crops
from opendlign_core.proposal.detr.model import propose as propose_by_detr
from opendlign_core.proposal.detr.model import read_detr
from opendlign_core.proposal.proposals import Proposals
from opendlign_core.proposal.superpoints.proposing import propose as propose_by_superpoints

Floats = NDArray[np.float32]
Proposer = Literal["superpoints", "3detr", "boxes"]
MOST_POINTS = 200_000
"""Of a scan; more are left out by chance."""
DETR_POINTS = 40_000
"""Points of a scene that 3DETR was trained on."""
SELECTION = SelectionSpec(suppression="class-agnostic", rule="best-product")
"""One name for each thing, scored by how likely it is and how sure the proposer was."""


@dataclass(frozen=True, eq=False)
class Scan:
    """The points of a scan, y up."""

    points: Floats  # [N, 3]
    left_out: int = 0


@dataclass(frozen=True, eq=False)
class Detected:
    """What was found in a scan, best first."""

    scan: Scan
    names: tuple[str, ...]
    found: Detections
    proposals: int

    def label(self, place: int) -> str:
        return self.names[int(self.found.classes[place])]


def read_scan(path: Path, trained: Trained, up: UpAxis | None) -> Scan:
    """A cloud or mesh as it is in its file, brought to y up; a mesh is sampled evenly."""
    shape, rng = read_whole(path, trained.source, trained.reading), np.random.default_rng(0)
    points = sample_surface(shape, MOST_POINTS, rng).points if isinstance(shape, Mesh) else shape.points
    upright = to_y_up(points, up or shape.up_axis or "y")
    if len(upright) <= MOST_POINTS:
        return Scan(upright)
    return Scan(upright[rng.choice(len(upright), MOST_POINTS, replace=False)], len(upright) - MOST_POINTS)


def propose(scan: Scan, how: Proposer, checkpoint: Path | None, boxes: Path | None) -> Proposals:
    """Boxes by the chosen proposer; raises `BadInput` where it lacks its file."""
    if how == "superpoints":
        return propose_by_superpoints(scan.points)
    if how == "boxes":
        return read_boxes(_named(boxes, how, "--boxes"))
    model, rng = read_detr(_named(checkpoint, how, "--checkpoint")), np.random.default_rng(0)
    count = len(scan.points)
    chosen = rng.choice(count, DETR_POINTS, replace=count < DETR_POINTS)
    return propose_by_detr(model, scan.points[chosen])


def _named(path: Path | None, how: str, option: str) -> Path:
    if path is None:
        raise BadInput(f"--proposals {how} needs a file: name it with {option}")
    return path


def detect(scan: Scan, proposals: Proposals, trained: Trained, names: Sequence[str]) -> Detected:
    """Name what is in every box and keep the best."""
    rows, probabilities = _named_crops(scan, proposals.boxes, trained, names)
    if not rows:
        raise BadInput("no proposed box holds enough points to be named; look at the unit of the scan: it is metres")
    boxes, objectness = proposals.boxes[np.array(rows)], proposals.objectness[rows]
    found = select(Classified(boxes, np.array(probabilities), objectness), scan.points, SELECTION)
    best = np.argsort(-found.scores, kind="stable")
    ordered = Detections(found.boxes[best], found.classes[best], found.scores[best], found.origins[best])
    return Detected(scan, tuple(names), ordered, len(proposals.boxes))


def _named_crops(
    scan: Scan, boxes: Boxes, trained: Trained, names: Sequence[str]
) -> tuple[list[int], list[NDArray[np.float32]]]:
    """The boxes that hold something, and how likely each name is for it."""
    rows: list[int] = []

    def seen() -> Iterator[EvalSample]:
        for box, points in enumerate(crops(scan.points, boxes, trained.source.points)):
            if points is not None:
                try:
                    depth = project(torch.from_numpy(points)[None], trained.projection)[0].numpy()
                except UnusableCloud:
                    continue
                rows.append(box)
                yield EvalSample(f"box {box}", None, depth)

    return rows, [found.probabilities for found in classify(trained.model, seen(), names)]


def write_detected(detected: Detected, folder: Path, top: int) -> Iterator[Path]:
    """boxes.json with everything, scene.ply in the colours of the best, and plan.png with their names."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "boxes.json"
    path.write_text(json.dumps(list(_rows(detected)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    yield path
    shown, points = detected.found.boxes[:top], detected.scan.points
    marks = detected.found.classes[:top].tolist()
    path = folder / "scene.ply"
    inside = shown.contain(points)
    owner = np.where(inside.any(0), np.append(detected.found.classes[:top], -1)[inside.argmax(0)], -1)
    write_ply(path, points, colours_of(owner), owner)
    yield path
    path = folder / "plan.png"
    captions = [f"{detected.label(place)} {100 * detected.found.scores[place]:.0f}" for place in range(len(shown))]
    plan(points, shown, captions, marks).save(path)
    yield path


def _rows(detected: Detected) -> Iterator[dict[str, Any]]:
    """One object for each box, y up and in the scan's unit; `read_boxes` reads them back."""
    boxes, found = detected.found.boxes, detected.found
    for place in range(len(boxes)):
        yield {
            "label": detected.label(place),
            "score": round(float(found.scores[place]), 4),
            "centre": boxes.centres[place].round(4).tolist(),
            "size": boxes.sizes[place].round(4).tolist(),
            "yaw": round(float(boxes.yaws[place]), 4),
        }
