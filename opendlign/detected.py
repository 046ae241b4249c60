"""The things of a scan by name: read, proposed, cropped, named, selected. Heavy to import."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from opendlign.asked_things import Proposer, Words
from opendlign.naming import Namer
from opendlign_core.boxes import Boxes
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import METHODS, EvalSample, classify
from opendlign_core.evaluation.detection.choices import SelectionSpec
from opendlign_core.evaluation.detection.detections import Classified, Detections
from opendlign_core.evaluation.detection.selection import select
from opendlign_core.ingestion import Mesh, read_whole
from opendlign_core.ingestion.entry import UpAxis
from opendlign_core.ingestion.orient import to_y_up
from opendlign_core.ingestion.recipe import SceneReading
from opendlign_core.ingestion.sampling import sample_surface
from opendlign_core.ingestion.scenes.thinning import thinned
from opendlign_core.projection import UnusableCloud, project
from opendlign_core.proposal.box_files import read_boxes
from opendlign_core.proposal.crops import crops
from opendlign_core.proposal.detr.model import propose as propose_by_detr
from opendlign_core.proposal.detr.model import read_detr
from opendlign_core.proposal.floor import require_floor
from opendlign_core.proposal.proposals import Proposals
from opendlign_core.proposal.superpoints.proposing import propose as propose_by_superpoints
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe

Floats = NDArray[np.float32]
READING = SceneReading()
"""How a scan of too many points is reduced: as a data set's is."""
DETR_POINTS = 40_000
"""Points of a scene that 3DETR was trained on."""
SELECTION = SelectionSpec(suppression="class-agnostic", rule="best-product")
"""One name for each thing, scored by how likely it is and how sure the proposer was."""


@dataclass(frozen=True, eq=False)
class Scan:
    """The points of a scan, y up."""

    points: Floats  # [N, 3]
    told: str = ""
    """What was left out, in words."""


@dataclass(frozen=True, eq=False)
class Detected:
    """What was found in a scan, best first."""

    scan: Scan
    names: tuple[str, ...]
    found: Detections
    proposals: int

    def label(self, place: int) -> str:
        return self.names[int(self.found.classes[place])]


def read_scan(path: Path, namer: Namer, up: UpAxis | None) -> Scan:
    """A cloud or mesh as it is in its file, brought to y up and to so many points that it can be worked on.

    Raises:
        BadInput: it cannot be read, or has no floor.
    """
    shape, rng = read_whole(path, namer.source, namer.reading), np.random.default_rng(0)
    whole = sample_surface(shape, READING.most_points, rng).points if isinstance(shape, Mesh) else shape.points
    kept = thinned(whole, READING, rng)
    points = to_y_up(whole[kept.places], up or shape.up_axis or "y")
    require_floor(points, str(path))
    if len(points) == len(whole):
        return Scan(points)
    return Scan(
        points,
        f"{path} has {len(whole):,} points; {len(points):,} of them are used, one of each {100 * kept.cubes:.1f} cm",
    )


def propose(scan: Scan, proposer: Proposer) -> Proposals:
    """Boxes by the chosen proposer; raises `BadInput` where its file cannot be read."""
    if proposer.file is None:
        return propose_by_superpoints(scan.points, SuperpointsRecipe(yaw=proposer.yaw))
    if proposer.kind == "boxes":
        return read_boxes(proposer.file)
    model, rng, count = read_detr(proposer.file), np.random.default_rng(0), len(scan.points)
    return propose_by_detr(model, scan.points[rng.choice(count, DETR_POINTS, replace=count < DETR_POINTS)])


def detect(scan: Scan, proposals: Proposals, namer: Namer, words: Words) -> Detected:
    """Name what is in every box and keep the best; what is likely to be background is unlikely to be a thing."""
    rows, probabilities = _named_crops(scan, proposals.boxes, namer, words.all)
    if not rows:
        raise BadInput(
            "no proposed box holds enough points to be named; boxes and scan should have one frame, y up, in metres"
        )
    of_things = np.array(probabilities)[:, : len(words.names)]
    foreground = of_things.sum(1)
    likely = of_things / np.maximum(foreground, np.finfo(np.float32).tiny)[:, None]
    classified = Classified(proposals.boxes[np.array(rows)], likely, proposals.objectness[rows] * foreground)
    found = select(classified, scan.points, SELECTION)
    best = np.argsort(-found.scores, kind="stable")
    ordered = Detections(found.boxes[best], found.classes[best], found.scores[best], found.origins[best])
    return Detected(scan, words.names, ordered, len(proposals.boxes))


def _named_crops(
    scan: Scan, boxes: Boxes, namer: Namer, words: Sequence[str]
) -> tuple[list[int], list[NDArray[np.float32]]]:
    """The boxes that hold something, and how likely each word is for it."""
    rows: list[int] = []

    def seen() -> Iterator[EvalSample]:
        for box, points in enumerate(crops(scan.points, boxes, namer.source.points)):
            if points is not None:
                try:
                    depth = project(torch.from_numpy(points)[None], namer.projection)[0].numpy()
                except UnusableCloud:
                    continue
                rows.append(box)
                yield EvalSample(f"box {box}", None, depth)

    answers = classify(namer.model, seen(), words, METHODS[namer.method])
    return rows, [found.probabilities for found in answers]
