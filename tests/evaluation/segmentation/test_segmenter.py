"""A single shape, asked as the benchmark asks."""

import re
from typing import Any

import numpy as np
import pytest

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import METHODS
from opendlign_core.evaluation.segmentation.choices import AnswerSpec, SegmentationOptions
from opendlign_core.evaluation.segmentation.segmenter import Segmenter
from tests.evaluation.segmentation.shapes import PARTS, lollipop
from tests.evaluation.tiny import seeded_model
from tests.servers import ROOT


def segmenter(**changes: Any) -> Segmenter:
    answers = (AnswerSpec(name="x", neighbours=8, **changes),)
    return Segmenter.of(seeded_model(), METHODS["parts"], SegmentationOptions(answers=answers, cropped=False))


def test_every_point_gets_one_of_the_parts_and_the_same_each_time() -> None:
    shape, one = lollipop("shop/a", 0), segmenter()
    question = one.question(PARTS, "lollipop")
    found = one.parts_of(shape.points, shape.depth, shape.places, question)
    assert found.shape == (400,) and set(found.tolist()) <= {0, 1}
    assert np.array_equal(found, one.parts_of(shape.points, shape.depth, shape.places, question))


def test_words_are_owned_where_the_category_is_known() -> None:
    one = segmenter()
    owned, alone = one.question(PARTS, "lollipop"), one.question(PARTS)
    assert owned.text.shape == alone.text.shape and not np.allclose(owned.text, alone.text)


@pytest.mark.parametrize(("parts", "words"), [(("ball",), "name at least two"), (("a", "b", "a"), "a is named twice")])
def test_parts_that_cannot_be_told_apart_are_refused(parts: tuple[str, ...], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        segmenter().question(parts)


def test_the_example_of_the_page_runs_as_it_stands() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "parts.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["parts"].shape == (2048,) and set(names["parts"].tolist()) <= {0, 1, 2}
