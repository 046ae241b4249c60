"""Scenes for the report: what stands there and what was found, from above and in perspective."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation.detection.breakdown import right_things
from opendlign_core.evaluation.detection.counting import OVERLAPS, ShownScene
from opendlign_core.evaluation.detection.detections import Detections, Objects
from opendlign_core.evaluation.detection.plan import plan
from opendlign_core.evaluation.detection.slanted import slanted
from opendlign_core.evaluation.features import ProposedScene
from opendlign_core.evaluation.report.html import data_uri

SIDE = 560
"""Of a picture in pixels."""


def shown_scene(
    scene: ProposedScene, found: Detections, there: Objects, names: tuple[str, ...], most: int
) -> ShownScene:
    """The true boxes on the left and the surest found ones on the right, in the colours of their names."""
    best = np.argsort(-found.scores, kind="stable")[:most]
    surest = found[best]
    captions = [
        f"{names[number]} {100 * score:.0f}" for number, score in zip(surest.classes, surest.scores, strict=True)
    ]
    pairs = (
        (there.boxes, [names[number] for number in there.classes], there.classes),
        (surest.boxes, captions, surest.classes),
    )
    both = Boxes.together([there.boxes, surest.boxes])  # in one frame, so that they can be compared
    drawn = [
        _side_by_side(
            [draw(scene.points, boxes, words, classes.tolist(), SIDE, both) for boxes, words, classes in pairs]
        )
        for draw in (plan, slanted)
    ]
    right = right_things(found, there, OVERLAPS[0] / 100)
    return ShownScene(
        scene_id=scene.scene_id,
        found=int(right.sum()),
        things=len(right),
        plan=data_uri(drawn[0]),
        slanted=data_uri(drawn[1]),
    )


def _side_by_side(pictures: list[Image.Image]) -> NDArray[np.uint8]:
    return np.concatenate([np.asarray(picture.convert("RGB")) for picture in pictures], axis=1)
