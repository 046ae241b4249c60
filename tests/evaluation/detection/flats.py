"""Two small flats with boxes of two proposers, as a source of an evaluation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation import DatasetSpec
from opendlign_core.evaluation.features import ProposedScene
from opendlign_core.evaluation.lab import ProposedSource
from tests.evaluation.sources import CLASSES, ListSource
from tests.evaluation.tiny import random_samples

THINGS = CLASSES[:3]


@dataclass
class Proposed(ListSource):
    """What is in the boxes of one draw of a proposer."""

    flats: Sequence[ProposedScene] = ()

    def scenes(self, dataset: DatasetSpec, split: str | None) -> Iterable[ProposedScene]:
        return self.flats


@dataclass
class Flats(ListSource):
    """A source that has nothing but what was proposed."""

    kinds: Mapping[str, Sequence[Proposed]] = field(default_factory=dict)

    def proposed(self) -> Mapping[str, Sequence[ProposedSource]]:
        return self.kinds


def flat(number: int, beside: float = 0.0, doubled: bool = False, sure: float = 0.9) -> ProposedScene:
    """Three things two metres apart in boxes of a metre, proposed so far beside them, and one box around a bare wall.

    The proposer knows the things by name, and takes the wall for the last of them.
    """
    truth = Boxes.of([[2.0 * place, 0.5, 0] for place in range(3)], np.ones((3, 3)))
    wall = Boxes.of([[9.0, 0.5, 0]], [[1.0, 1, 1]])
    places = [0, 1, 2, *([0] if doubled else [])]
    centres = np.concatenate([truth.centres[places] + [beside, 0, 0], wall.centres])
    boxes = Boxes.of(centres, np.ones((len(centres), 3)))
    names = np.eye(3)[[*places, 2]]
    rng = np.random.default_rng(number)
    points = np.concatenate([centre + rng.uniform(-0.5, 0.5, (40, 3)) for centre in (*truth.centres, wall.centres[0])])
    crops = tuple(f"flats/{number}/{box}" for box in range(len(boxes)))
    objectness = np.linspace(sure, 0.5, len(boxes))
    return ProposedScene(
        f"flats/{number}", points.astype(np.float32), truth, THINGS, boxes, objectness, crops, names, THINGS
    )


def true_boxes(scene: ProposedScene) -> ProposedScene:
    """The same flat with the boxes that are true."""
    count = len(scene.truth)
    known = replace(scene, boxes=scene.truth, objectness=np.ones(count), crops=scene.crops[:count])
    return replace(known, probabilities=None, classes=())


def proposed(scenes: Sequence[ProposedScene]) -> Proposed:
    return Proposed(list(_samples(scenes)), flats=scenes)


def _samples(scenes: Sequence[ProposedScene]) -> Iterator:  # type: ignore[type-arg]
    crops = [crop for scene in scenes for crop in scene.crops]
    for crop, sample in zip(crops, random_samples(len(crops), THINGS), strict=True):
        yield replace(sample, object_id=crop, label=None)


def flats(**kinds: Sequence[Sequence[ProposedScene]]) -> Flats:
    """A source of these draws, by kind of the proposer."""
    return Flats(
        [], kinds={name.replace("_", "-"): [proposed(draw) for draw in draws] for name, draws in kinds.items()}
    )
