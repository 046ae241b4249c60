import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.samples import DepthMaps, Painted, decode_image
from opendlign_core.synthesis import (
    ControlNetRecipe,
    Painting,
    Progress,
    RejectedSynthesis,
    SynthesisExecution,
    SynthesisRecipe,
    Synthesizer,
    image_seed,
    load_synthesizer,
    synthesize_objects,
)
from opendlign_core.synthesis.gate import edge_agreement
from opendlign_core.synthesis.shaded import ShadedSynthesizer
from tests.synthesis.scenes import toy

Spoil = Callable[[NDArray[np.uint8], int], None]


class Spoiling(Synthesizer):
    """The embedded painter, except that chosen seeds come out wrong."""

    def __init__(self, bad: dict[int, str], batch_size: int = 5) -> None:
        self.inner, self.bad, self.batch_size = ShadedSynthesizer(), bad, batch_size
        self.painted: list[int] = []

    def paint(self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]) -> Painting:
        images = self.inner.paint(depth, prompts, seeds).images
        finite = np.ones(len(depth), np.bool_)
        for place, seed in enumerate(seeds):
            kind = self.bad.get(seed)
            if kind == "black":
                images[place] = 0
            elif kind == "misaligned":
                images[place] = np.roll(images[place], 20, (0, 1))
            elif kind == "nan":
                finite[place] = False
        self.painted += seeds
        return Painting(images, finite, self.batch_size)


def run(objects: Sequence[DepthMaps], recipe: SynthesisRecipe, painter: Synthesizer | None = None) -> list[object]:
    return list(synthesize_objects(objects, recipe, painter))


def test_objects_come_back_in_order_with_all_their_views(objects: list[DepthMaps]) -> None:
    outcomes = list(synthesize_objects(iter(objects), SynthesisRecipe()))
    for outcome, item in zip(outcomes, objects, strict=True):
        assert isinstance(outcome, Painted)
        assert outcome.extension == "webp"
        assert outcome.key == item.key
        assert outcome.encoded_depth == item.encoded
        assert outcome.meta.prompts == (SynthesisRecipe().prompt.prompt(item.meta.caption),) * 2
        for view, (image, depth) in enumerate(zip(outcome.images, item.maps(), strict=True)):
            assert outcome.meta.seeds[view] == image_seed(0, item.key, view, outcome.meta.attempts[view] - 1)
            assert decode_image(image).shape == (64, 64, 3)
            assert edge_agreement(decode_image(image), depth) > 0.6


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64])
def test_the_embedded_painters_outcome_does_not_depend_on_the_batch(objects: list[DepthMaps], batch_size: int) -> None:
    assert run(objects, SynthesisRecipe(), Spoiling({}, batch_size)) == run(objects, SynthesisRecipe())


def test_an_interrupted_run_taken_up_again_gives_the_same_bytes(objects: list[DepthMaps]) -> None:
    whole = run(objects, SynthesisRecipe())
    stream = synthesize_objects(objects, SynthesisRecipe())
    first = [next(stream), next(stream)]
    stream.close()  # type: ignore[attr-defined]
    assert first + run(objects[2:], SynthesisRecipe()) == whole


def test_the_small_controlnets_bytes_do_not_depend_on_where_a_run_was_cut(
    objects: list[DepthMaps], small: ControlNetRecipe, open_gate: SynthesisRecipe
) -> None:
    recipe = open_gate.model_copy(update={"synthesizer": small})
    whole = run(objects[:3], recipe, load_synthesizer(recipe, SynthesisExecution(device="cpu")))
    again = load_synthesizer(recipe, SynthesisExecution(device="cpu"))
    assert run(objects[:1], recipe, again) + run(objects[1:3], recipe, again) == whole
    assert all(isinstance(outcome, Painted) for outcome in whole)


@pytest.mark.parametrize("kind", ["black", "misaligned", "nan"])
def test_a_spoilt_image_is_painted_again_with_the_next_seed(objects: list[DepthMaps], kind: str) -> None:
    bad = image_seed(0, objects[2].key, 1)
    clean, mended = run(objects, SynthesisRecipe()), run(objects, SynthesisRecipe(), Spoiling({bad: kind}))
    third = mended.pop(2)
    assert isinstance(third, Painted)
    assert third.meta.seeds[1] == image_seed(0, objects[2].key, 1, attempt=1)
    assert third.meta.attempts == (1, 2)
    del clean[2]
    assert mended == clean


@pytest.mark.parametrize(("kind", "word"), [("black", "black"), ("misaligned", "misaligned"), ("nan", "not finite")])
def test_an_object_that_stays_spoilt_is_rejected_with_its_reason(
    objects: list[DepthMaps], kind: str, word: str
) -> None:
    bad = {image_seed(0, objects[1].key, 0, attempt): kind for attempt in range(4)}
    painter = Spoiling(bad)
    outcomes = run(objects, SynthesisRecipe(), painter)
    rejected = outcomes[1]
    assert isinstance(rejected, RejectedSynthesis)
    assert rejected.object_id == objects[1].meta.object_id
    assert rejected.reason.startswith("view 0: ")
    assert rejected.reason.endswith("after 4 tries")
    assert word in rejected.reason
    assert list(rejected.failed) == [0]
    assert sum(isinstance(outcome, Painted) for outcome in outcomes) == 5
    assert len(painter.painted) == 12 + 3


def test_unusable_depth_maps_are_rejected_without_painting(objects: list[DepthMaps]) -> None:
    empty = toy("empty", np.ones((2, 64, 64), np.float32), "nothing")
    none = toy("none", np.ones((0, 64, 64), np.float32), "nothing")
    painter = Spoiling({})
    outcomes = run([empty, objects[0], none], SynthesisRecipe(), painter)
    assert [type(outcome) for outcome in outcomes] == [RejectedSynthesis, Painted, RejectedSynthesis]
    assert "view 0: the depth map is empty" in outcomes[0].reason  # type: ignore[attr-defined]
    assert "no depth maps" in outcomes[2].reason  # type: ignore[attr-defined]
    assert len(painter.painted) == 2


def test_objects_of_different_sizes_can_follow_each_other(objects: list[DepthMaps]) -> None:
    large = toy("large", np.kron(objects[0].maps(), np.ones((1, 2, 2), np.float32)), "red ball")
    outcomes = run([objects[0], large, objects[1]], SynthesisRecipe(), Spoiling({}, 64))
    shapes = [decode_image(outcome.images[0]).shape for outcome in outcomes]  # type: ignore[attr-defined]
    assert shapes == [(64, 64, 3), (128, 128, 3), (64, 64, 3)]


def test_progress_adds_up(objects: list[DepthMaps]) -> None:
    bad = {image_seed(0, objects[1].key, 0, attempt): "black" for attempt in range(4)}
    seen: list[Progress] = []
    list(synthesize_objects(objects, SynthesisRecipe(), Spoiling(bad), None, seen.append))
    assert [progress.images for progress in seen] == sorted(progress.images for progress in seen)
    assert (seen[-1].images, seen[-1].rejected_images) == (11, 4)
    assert seen[-1].images_per_second > 0


def test_a_stopped_run_leaves_no_thread_and_an_error_of_the_source_arrives(objects: list[DepthMaps]) -> None:
    before = threading.active_count()
    stream = synthesize_objects(objects, SynthesisRecipe())
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before

    def failing() -> Iterator[DepthMaps]:
        yield objects[0]
        raise OSError("the store went away")

    with pytest.raises(OSError, match="went away"):
        list(synthesize_objects(failing(), SynthesisRecipe()))
    assert threading.active_count() == before
