from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.samples import DepthMaps, ImageRecipe, Painted, PaintedMeta, encode_image
from opendlign_core.synthesis import (
    GateRecipe,
    RejectedSynthesis,
    SynthesisRecipe,
    load_scorer,
    synthesize_objects,
)
from opendlign_core.synthesis.captions import keep_recognised

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "white": (240, 240, 240)}


class MeanColour:
    """Features that are mean colours: a real, if narrow, common space of pictures and words."""

    def image_features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(images.mean((1, 2)), np.float32)

    def text_features(self, captions: Sequence[str]) -> NDArray[np.float32]:
        return np.array([COLOURS[caption] for caption in captions], np.float32)


def painted(key: str, prompt: str, shown: str) -> Painted:
    image = encode_image(np.full((16, 16, 3), COLOURS[shown], np.uint8), ImageRecipe(format="png"))
    meta = PaintedMeta(object_id=key, source="set", split="train", views=2, size=16, prompts=(prompt,) * 2)
    return Painted(meta, b"", (image,) * 2, "png")


def run(outcomes: list[Painted | RejectedSynthesis], **gate: int) -> list[str]:
    kept = keep_recognised(outcomes, MeanColour(), GateRecipe.model_validate(gate))
    return [
        f"{outcome.meta.object_id} kept" if isinstance(outcome, Painted) else f"{outcome.object_id} {outcome.reason}"
        for outcome in kept
    ]


def test_objects_unlike_their_caption_are_rejected_in_place() -> None:
    outcomes: list[Painted | RejectedSynthesis] = [
        painted("a", "red", "red"),
        painted("b", "green", "blue"),
        RejectedSynthesis("c", "black"),
        painted("d", "blue", "blue"),
    ]
    assert run(outcomes, caption_top_k=1) == [
        "a kept",
        "b unrecognised: its caption ranks 2 in its batch, 1 is the last that passes",
        "c black",
        "d kept",
    ]
    assert run(outcomes, caption_top_k=3)[1] == "b kept"


def test_only_captions_of_the_same_batch_compete() -> None:
    outcomes: list[Painted | RejectedSynthesis] = [
        painted("a", "green", "blue"),
        painted("b", "red", "red"),
        painted("c", "blue", "blue"),
        painted("d", "white", "white"),
    ]
    assert run(outcomes, caption_top_k=2, caption_batch=4)[0].startswith("a unrecognised: its caption ranks 3")
    assert run(outcomes, caption_top_k=2, caption_batch=3)[0] == "a kept"


def test_equal_captions_count_once_and_no_ranking_is_the_default() -> None:
    outcomes: list[Painted | RejectedSynthesis] = [painted(str(i), "red", "red") for i in range(5)]
    assert all(line.endswith("kept") for line in run(outcomes, caption_top_k=1))
    assert run([painted("a", "red", "blue"), painted("b", "blue", "red")]) == ["a kept", "b kept"]


def test_a_recipe_that_asks_for_a_ranking_names_its_clip() -> None:
    with pytest.raises(ValueError, match=r"needs gate\.caption_clip"):
        SynthesisRecipe.model_validate({"gate": {"caption_top_k": 1}})
    with pytest.raises(ValueError, match="ships no checkpoint named 'none'"):
        GateRecipe.model_validate({"caption_clip": "package:none"})


TINY_CLIP = {
    "model": "tiny",
    "weights": "random",
    "image_size": 32,
    "architecture": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
    },
}


def test_a_named_clip_ranks_in_the_stream(objects: list[DepthMaps]) -> None:
    gate = {"caption_top_k": 1, "caption_batch": 6, "caption_clip": TINY_CLIP}
    recipe = SynthesisRecipe.model_validate({"gate": gate})
    painted = list(synthesize_objects(objects, SynthesisRecipe()))
    outcomes = list(synthesize_objects(objects, recipe))
    assert outcomes == list(synthesize_objects(objects, recipe))
    kept = [outcome for outcome in outcomes if isinstance(outcome, Painted)]
    assert 0 < len(kept) < len(objects), "a CLIP that knows nothing agrees with some captions by chance, not with all"
    assert all(outcome in painted for outcome in kept)
    lost = [outcome for outcome in outcomes if isinstance(outcome, RejectedSynthesis)]
    assert all(outcome.reason.startswith("unrecognised: its caption ranks") for outcome in lost)


def test_features_do_not_depend_on_the_company(objects: list[DepthMaps]) -> None:
    gate = GateRecipe.model_validate({"caption_top_k": 1, "caption_clip": TINY_CLIP})
    scorer = load_scorer(gate)
    assert scorer is not None
    images = np.random.default_rng(0).integers(0, 256, (70, 64, 64, 3), dtype=np.uint8)
    together = scorer.image_features(images)
    assert together.shape == (70, 16)
    np.testing.assert_allclose(together[68:], scorer.image_features(images[68:]), atol=1e-5)
    words = scorer.text_features(["a red chair", "a blue vase"])
    assert np.abs(words[0] - words[1]).max() > 1e-3
    np.testing.assert_allclose(words[1:], scorer.text_features(["a blue vase"]), atol=1e-5)
