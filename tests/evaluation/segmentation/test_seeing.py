"""Points and patches meet: where a point is said to be, the image shows something, and never what is beside it."""

import pytest
import torch

from opendlign_core.clip.cropping import border_of
from opendlign_core.evaluation import MethodSpec
from opendlign_core.evaluation.segmentation.choices import ANSWERS
from opendlign_core.evaluation.segmentation.seeing import Eye
from tests.evaluation.segmentation.shapes import lollipop
from tests.evaluation.tiny import seeded_model

PLAIN = MethodSpec(name="parts", branches="base", pixels="none")


@pytest.mark.parametrize("cropping", [False, True])
def test_seen_points_lie_on_what_the_images_show(cropping: bool) -> None:
    eye, sample = Eye(seeded_model(), PLAIN, cropping), lollipop("a/b", 0)
    images, places = eye.images(sample.depth)[:, 0], eye.places(sample.places, "corrected", 32)
    shown = images.flatten(1).gather(1, places.pixel[..., 0] * 32 + places.pixel[..., 1])
    assert (shown[places.seen] < 1).float().mean() > 0.98, "background is 1"
    mirrored = images.flatten(1).gather(1, places.pixel[..., 1] * 32 + places.pixel[..., 0])
    assert (mirrored[places.seen] < 1).float().mean() < 0.9


def test_a_crop_shows_the_middle_larger() -> None:
    near, far = (Eye(seeded_model(), PLAIN, cropping) for cropping in (True, False))
    sample = lollipop("a/b", 0)
    assert border_of(32) > 0
    assert (near.images(sample.depth) < 1).sum() > (far.images(sample.depth) < 1).sum()


@pytest.mark.parametrize(("answer", "side"), [("corrected", 4), ("enlarged", 8), ("crops", 8), ("value-3", 4)])
def test_tokens_are_unit_and_as_many_as_the_images_have_patches(answer: str, side: int) -> None:
    eye = Eye(seeded_model(), PLAIN, False)
    tokens = eye.tokens(eye.images(lollipop("a/b", 0).depth), ANSWERS[answer])
    assert tokens.shape == (10, side, side, 48)
    torch.testing.assert_close(tokens.norm(dim=-1), torch.ones(10, side, side))


def test_the_tuned_branch_is_asked_where_the_method_says_so() -> None:
    base, depth = (
        Eye(seeded_model(), PLAIN.model_copy(update={"branches": name}), False) for name in ("base", "depth")
    )
    images = base.images(lollipop("a/b", 0).depth)
    answer = ANSWERS["corrected"]
    assert not torch.allclose(base.tokens(images, answer), depth.tokens(images, answer), atol=1e-3)
