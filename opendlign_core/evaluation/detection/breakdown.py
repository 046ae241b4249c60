"""Why detections are wrong: what each of them is, and what AP would be if one kind of error were mended.

The kinds are those of TIDE, told of the best name of every box.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation.detection.detections import Detections, Objects
from opendlign_core.evaluation.detection.metrics import Scene, score_detections
from opendlign_core.overlap import iou

Kind = Literal["right", "wrong name", "bad box", "duplicate", "background"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Mended = Literal["wrong name", "bad box", "duplicate", "background", "missed"]
MENDED: tuple[Mended, ...] = get_args(Mended)
NEAR = 0.1
"""A box that overlaps no thing by more than this is of the background."""
_RIGHT, _WRONG, _BAD, _DOUBLE, _BACKGROUND = range(len(KINDS))


@dataclass(frozen=True, eq=False)
class Told:
    """The detections of one scene with what is the matter with each."""

    kinds: NDArray[np.int64]  # [M], numbers of `KINDS`
    objects: NDArray[np.int64]  # [M], the thing that each overlaps most; -1 where there is none


@dataclass(frozen=True)
class Breakdown:
    """The errors of all scenes at one overlap."""

    detections: dict[Kind, int]
    missed: int
    """Things that no detection names right."""
    unseen: int
    """Those of them that no box overlaps enough, whatever it is called."""
    average_precision: float
    """With the best name of every box alone."""
    mended: dict[Mended, float]
    """What it would be if this kind of error alone were mended: names or boxes made right, detections left out,
    missed things not asked for."""


def tell(found: Detections, there: Objects, overlap: float) -> Told:
    """What is the matter with each detection; of several that are right for a thing the surest counts.

    right: above `overlap` with a thing of its name. wrong name: with another one. duplicate: with one that is found
    already. bad box: less, but above `NEAR`, with any thing. background: with none.
    """
    if not len(there.classes) or not len(found.classes):
        nothing = np.full(len(found.classes), -1)
        return Told(np.full(len(found.classes), _BACKGROUND), nothing)
    shared = iou(found.boxes, there.boxes)
    own = np.where(found.classes[:, None] == there.classes, shared, -1.0)
    named, nearest = own.argmax(1), shared.argmax(1)
    rows = np.arange(len(named))
    by_name, by_place = own[rows, named], shared[rows, nearest]
    kinds = np.select([by_name > overlap, by_place > overlap, by_place > NEAR], [_RIGHT, _WRONG, _BAD], _BACKGROUND)
    objects = np.where(kinds == _RIGHT, named, nearest)
    return Told(_without_doubles(kinds, objects, found), np.where(kinds == _BACKGROUND, -1, objects))


def right_things(found: Detections, there: Objects, overlap: float) -> NDArray[np.bool_]:  # [G]
    """Which things are found and named right."""
    told = tell(found, there, overlap)
    return np.isin(np.arange(len(there.classes)), told.objects[told.kinds == _RIGHT])


def _without_doubles(kinds: NDArray[np.int64], objects: NDArray[np.int64], found: Detections) -> NDArray[np.int64]:
    told, taken = kinds.copy(), set[int]()
    for row in np.argsort(-found.scores, kind="stable"):
        if kinds[row] == _RIGHT:
            told[row] = _DOUBLE if int(objects[row]) in taken else _RIGHT
            taken.add(int(objects[row]))
    return told


def break_down(scenes: Sequence[Scene], overlap: float) -> Breakdown:
    """The errors of scenes whose detections have one name for each box."""
    told = [tell(*scene, overlap) for scene in scenes]
    counts = sum((np.bincount(one.kinds, minlength=len(KINDS)) for one in told), np.zeros(len(KINDS), np.int64))
    right = sum(int((one.kinds == _RIGHT).sum()) for one in told)
    things = sum(len(there.classes) for _, there in scenes)
    return Breakdown(
        detections=dict(zip(KINDS, map(int, counts), strict=True)),
        missed=things - right,
        unseen=sum(_unseen(*scene, overlap) for scene in scenes),
        average_precision=score_detections(scenes, overlap).mean_average_precision,
        mended={kind: _precision(scenes, told, kind, overlap) for kind in MENDED},
    )


def _unseen(found: Detections, there: Objects, overlap: float) -> int:
    if not len(found.classes) or not len(there.classes):
        return len(there.classes)
    return int((iou(found.boxes, there.boxes).max(0) <= overlap).sum())


def _precision(scenes: Sequence[Scene], told: Sequence[Told], kind: Mended, overlap: float) -> float:
    mended = [_mend(*scene, one, kind) for scene, one in zip(scenes, told, strict=True)]
    left = score_detections(mended, overlap).classes
    # A class whose detections are all gone still counts; one whose things nobody asks for does not.
    counted = left if kind == "missed" else _classes(scenes)
    return float(np.mean([left[n].average_precision if n in left else 0.0 for n in counted])) if counted else 0.0


def _classes(scenes: Sequence[Scene]) -> set[int]:
    return {int(number) for scene in scenes for part in scene for number in part.classes}


def _mend(found: Detections, there: Objects, told: Told, kind: Mended) -> Scene:
    if kind == "missed":
        seen = np.unique(told.objects[told.kinds == _RIGHT])
        return found, Objects(there.boxes[seen], there.classes[seen])
    faulty = told.kinds == KINDS.index(kind)
    if not faulty.any():
        return found, there
    if kind in ("duplicate", "background"):
        return found[~faulty], there
    things = np.where(faulty, told.objects, 0)
    if kind == "wrong name":
        better = replace(found, classes=np.where(faulty, there.classes[things], found.classes))
    else:
        better = replace(found, boxes=_chosen(faulty, there.boxes[things], found.boxes))
    return better[_still_counted(better, there, told, faulty)], there


def _still_counted(better: Detections, there: Objects, told: Told, faulty: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """All but the mended ones whose thing a right one, or a surer mended one, has found."""
    taken = set(told.objects[told.kinds == _RIGHT].tolist())
    counted = np.ones(len(faulty), bool)
    for row in (row for row in np.argsort(-better.scores, kind="stable") if faulty[row]):
        thing = int(told.objects[row])
        if better.classes[row] == there.classes[thing]:
            counted[row] = thing not in taken
            taken.add(thing)
    return counted


def _chosen(first: NDArray[np.bool_], ours: Boxes, theirs: Boxes) -> Boxes:  # [M]
    """Our box where `first` is true, else theirs."""
    side = first[:, None]
    return Boxes(
        np.where(side, ours.centres, theirs.centres),
        np.where(side, ours.sizes, theirs.sizes),
        np.where(first, ours.yaws, theirs.yaws),
    )
