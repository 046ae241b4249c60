"""The things of a scan by name: read, proposed, cropped, named, selected. Heavy to import."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from opendlign.asked_things import Proposer, Words
from opendlign.naming import Namer
from opendlign_core.boxes import Boxes
from opendlign_core.clip.device import choose_device
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
from opendlign_core.proposal.floor import require_floor, seems_to_lie
from opendlign_core.proposal.proposals import Proposals
from opendlign_core.proposal.proposers import load_detr
from opendlign_core.proposal.recipe import DetrRecipe
from opendlign_core.proposal.superpoints.proposing import propose as propose_by_superpoints
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe

Floats = NDArray[np.float32]
READING = SceneReading()
"""How a scan of too many points is reduced: as a data set's is."""
SELECTION = SelectionSpec(suppression="class-agnostic", rule="best-product")
"""One name for each thing, scored by how likely it is and how sure the proposer was."""


@dataclass(frozen=True, eq=False)
class Scan:
    """The points of a scan, y up."""

    points: Floats  # [N, 3]
    told: str = ""
    """What was left out, and what seems wrong, in words."""
    up: UpAxis = "y"
    """The axis that was up in its file."""


@dataclass(frozen=True, eq=False)
class Detected:
    """What was found in a scan, best first."""

    scan: Scan
    names: tuple[str, ...]
    found: Detections
    objectness: NDArray[np.floating[Any]]
    """How sure the proposer was of each box."""
    proposals: int
    empty: int
    """Proposed boxes that hold too few points to be named."""

    @property
    def told(self) -> str:
        """What became of the proposed boxes, in words."""
        count = len(self.found.scores)
        left = (
            (self.empty, "hold too few points"),
            (self.proposals - self.empty - count, "overlap surer ones or are hardly things"),
        )
        why = ", ".join(f"{number} {words}" for number, words in left if number)
        return f"{count} things in {self.proposals} boxes" + (f" ({why})" if why else "")

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
    axis = up or shape.up_axis or "y"
    points = to_y_up(whole[kept.places], axis)
    require_floor(points, str(path))
    lies = seems_to_lie(points)
    said = f"{path} seems to lie on its side: --up names the axis that points up in the file. " if lies else ""
    if len(points) == len(whole):
        return Scan(points, said, axis)
    used = f"{len(points):,} of them are used, one of each {100 * kept.cubes:.1f} cm"
    return Scan(points, f"{said}{path} has {len(whole):,} points; {used}", axis)


Propose = Callable[[Scan], Proposals]


def ready_proposer(proposer: Proposer) -> Propose:
    """The chosen proposer with its file read; raises `BadInput` where that cannot be read.

    Boxes of a file are in the frame of the scan's file unless they say otherwise.
    """
    file = proposer.file
    if file is None:
        return lambda scan: propose_by_superpoints(scan.points, SuperpointsRecipe(yaw=proposer.yaw))
    if proposer.kind == "boxes":
        read_boxes(file)  # what is wrong in it is told before the scan is read
        return lambda scan: read_boxes(file, scan.up)
    detr = DetrRecipe(checkpoint=str(file))
    model = load_detr(detr).to(choose_device("auto"))

    def by_detr(scan: Scan) -> Proposals:
        rng, count = np.random.default_rng(0), len(scan.points)
        return propose_by_detr(model, scan.points[rng.choice(count, detr.points, replace=count < detr.points)])

    return by_detr


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
    sure = proposals.objectness[np.array(rows)][ordered.origins]
    return Detected(scan, words.names, ordered, sure, len(proposals.boxes), len(proposals.boxes) - len(rows))


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
