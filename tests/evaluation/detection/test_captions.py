"""Pictures of rooms: every caption can be read and every box is in the picture."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from opendlign_core.boxes import Boxes
from opendlign_core.evaluation.detection.captions import write_captions
from opendlign_core.evaluation.detection.plan import plan
from opendlign_core.evaluation.detection.slanted import slanted
from opendlign_core.pictures import colour_of


def coloured(picture: Image.Image, mark: int) -> int:
    return int((np.asarray(picture) == colour_of(mark)).all(2).sum())


def test_captions_of_one_place_stand_side_by_side() -> None:
    alone = []
    for mark in range(3):
        picture = Image.new("RGB", (300, 300), "white")
        write_captions(picture, [(290.0, 295.0)], ["a chair"], [mark])
        alone.append(coloured(picture, mark))
    together = Image.new("RGB", (300, 300), "white")
    write_captions(together, [(290.0, 295.0)] * 3, ["a chair"] * 3, range(3))
    assert [coloured(together, mark) for mark in range(3)] == alone and min(alone) > 200


@pytest.mark.parametrize("draw", [plan, slanted])
def test_a_box_beyond_the_points_is_in_the_picture(draw: Callable[..., Image.Image]) -> None:
    points = np.random.default_rng(0).uniform(0, 2, (500, 3))
    (inside, beyond) = Boxes.of([[1, 1, 1]], [[1, 1, 1]]), Boxes.of([[1, 1, 1]], [[5, 1, 5]])
    alone, both = draw(points, inside, [""], [0]), draw(points, inside, [""], [0], framed=beyond)
    assert coloured(both, 0) < 0.7 * coloured(alone, 0), "there is room for what is framed"
    edges = (np.asarray(draw(points, beyond, [""], [0])) == colour_of(0)).all(2)
    assert not edges[:5].any() and not edges[-5:].any() and not edges[:, :5].any() and not edges[:, -5:].any()
