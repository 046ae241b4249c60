"""Batches of the extractor, and what it does with maps of other shapes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import METHODS, EvalSample
from opendlign_core.evaluation.cached import Block, FeatureLoader, blocks_of
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import FeaturePlan, plan_for
from tests.evaluation.tiny import random_samples, seeded_model

LABELS = ("chair", "table", "lamp")
SPLIT = plan_for(METHODS["opendlign"], 10)


def extractor(plan: FeaturePlan = SPLIT, image_batch: int = 160) -> Extractor:
    return Extractor(seeded_model(), plan, image_batch=image_batch)


@pytest.mark.parametrize(("image_batch", "sizes"), [(160, [5]), (20, [2, 2, 1]), (29, [2, 2, 1]), (3, [1] * 5)])
def test_a_batch_holds_as_many_images_as_allowed_and_one_object_at_least(image_batch: int, sizes: list[int]) -> None:
    samples = random_samples(5, LABELS)
    batches = [batch for batch, _ in extractor(image_batch=image_batch).stream(samples)]
    assert [len(batch) for batch in batches] == sizes
    assert [sample.object_id for batch in batches for sample in batch] == [sample.object_id for sample in samples]


def test_maps_of_several_shapes_are_not_stacked() -> None:
    samples = random_samples(4, LABELS)
    small = [replace(sample, depth=sample.depth[:, ::2, ::2]) for sample in samples[2:]]
    batches = list(extractor().stream([*samples[:2], *small]))
    assert [len(batch) for batch, _ in batches] == [2, 2]
    alone = extractor().extract(small[:1])
    np.testing.assert_allclose(batches[1][1].base[:1], alone.base, atol=1e-5)


def test_three_equal_channels_are_one() -> None:
    samples = random_samples(3, LABELS)
    wide = [replace(sample, depth=np.repeat(sample.depth[..., None], 3, axis=-1)) for sample in samples]
    one, three = extractor().extract(samples), extractor().extract(wide)
    np.testing.assert_allclose(one.base, three.base, atol=1e-5)
    np.testing.assert_allclose(one.depth, three.depth, atol=1e-5)


def test_the_branches_differ_and_share_what_is_asked_of_both() -> None:
    samples = random_samples(3, LABELS)
    every = FeaturePlan(tuple(range(10)), tuple(range(10)))
    both, split = extractor(every).extract(samples), extractor().extract(samples)
    assert both.base.shape == both.depth.shape == (3, 10, 48)
    assert not np.allclose(both.base, both.depth)
    np.testing.assert_allclose(split.base, both.base[:, :5], atol=1e-5)
    np.testing.assert_allclose(split.depth, both.depth[:, 5:], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(both.depth, axis=-1), 1, rtol=1e-5)


def test_nothing_and_too_few_views_are_refused() -> None:
    with pytest.raises(BadInput, match="check the data set's sources and split"):
        extractor().extract([])
    short = [EvalSample("set/short", "chair", np.ones((9, 32, 32), np.float32))]
    with pytest.raises(BadInput, match=r"set/short: depth of shape \(9, 32, 32\), expected \[10 or more views"):
        extractor().extract(short)
    exact = [EvalSample("set/exact", "chair", np.ones((10, 32, 32), np.float32))]
    assert len(extractor().extract(exact)) == 1


def test_painted_images_are_encoded_where_they_are() -> None:
    samples = random_samples(4, LABELS, images=True)
    some = [sample if row in (1, 3) else replace(sample, images=None) for row, sample in enumerate(samples)]
    found, alone = extractor().extract(some), extractor().extract(samples[1:2])
    assert list(found.painted) == [1, 3]
    np.testing.assert_allclose(found.images[1], alone.images[0], atol=1e-5)
    assert not found.images[[0, 2]].any()
    np.testing.assert_allclose(np.linalg.norm(found.images[1], axis=-1), 1, rtol=1e-5)
    batched = extractor(image_batch=10).extract(some)
    np.testing.assert_allclose(batched.images, found.images, atol=1e-5)


def test_a_plan_is_kept_by_halves_of_the_views() -> None:
    assert blocks_of(SPLIT, 10, images=False) == [Block("base", (0, 1, 2, 3, 4)), Block("depth", (5, 6, 7, 8, 9))]
    both = FeaturePlan((0, 1, 2), (0, 1, 2))
    assert blocks_of(both, 3, images=True) == [
        Block("images"),
        Block("base", (0,)),
        Block("base", (1, 2)),
        Block("depth", (0,)),
        Block("depth", (1, 2)),
    ]


def test_the_name_of_an_entry_follows_all_that_its_numbers_do() -> None:
    block = Block("base", (0, 1))

    def key(of: Extractor, identity: str = "x", kept: Block = block) -> str:
        return FeatureLoader(of, identity, None).key(kept)

    plain = extractor()
    others = [
        key(plain, "y"),
        key(plain, kept=Block("depth", (0, 1))),
        key(plain, kept=Block("base", (0, 2))),
        key(replace(plain, pixels="none")),
        key(replace(plain, precision="bfloat16")),
        key(replace(plain, model=seeded_model(1))),
        key(replace(plain, model=replace(plain.model, mean=(0.0, 0.0, 0.0)))),
        key(replace(plain, model=replace(plain.model, image_size=64))),
    ]
    assert len({key(plain), *others}) == 1 + len(others)
    assert key(replace(plain, image_batch=3)) == key(plain)
    fixed = replace(plain, pixels="none")
    assert key(replace(fixed, model=replace(fixed.model, mean=(0.0, 0.0, 0.0)))) == key(fixed)


def test_a_painted_image_is_seen_as_the_model_sees_pictures() -> None:
    sample = random_samples(1, LABELS, images=True)[0]
    assert sample.images is not None
    pictures = torch.from_numpy(sample.images).movedim(-1, 1).float() / 255  # [V, 3, H, W] in [0, 1]
    np.testing.assert_allclose(
        extractor().extract([sample]).images[0], extractor().encode_pictures(pictures), atol=1e-5
    )


def test_what_nobody_asks_for_is_empty() -> None:
    found = extractor(plan_for(METHODS["training-free"], 10)).extract(random_samples(2, LABELS))
    assert found.base.shape == (2, 10, 48)
    assert found.depth.shape == found.images.shape == (2, 0, 0)


def test_both_branches_of_a_view_take_one_pass_through_what_they_share() -> None:
    passes: list[int] = []
    model = seeded_model()
    encoder: Any = model.encoder
    hook = encoder.clip.visual.conv1.register_forward_hook(lambda *call: passes.append(len(call[1][0])))
    try:
        Extractor(model, FeaturePlan((0, 1), (0, 1))).extract(random_samples(3, LABELS))
    finally:
        hook.remove()
    assert passes == [6]


def test_an_entry_keeps_its_name_from_version_to_version() -> None:
    """Caches out there are full of these; a change here would have every feature extracted anew."""
    assert FeatureLoader(extractor(), "x", None).key(Block("base", (0, 1))) == "048c74e3220fa0da9906bb40"
