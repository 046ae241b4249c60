import colorsys
import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.synthesis import ShadedRecipe, SynthesisExecution, load_synthesizer
from opendlign_core.synthesis.gate import edge_agreement
from opendlign_core.synthesis.materials import MATERIALS, PATTERNS
from opendlign_core.synthesis.shaded import ShadedSynthesizer
from opendlign_core.synthesis.words import MATERIALS as MATERIAL_WORDS
from opendlign_core.synthesis.words import PATTERNS as PATTERN_WORDS
from tests.synthesis.scenes import scene

Images = NDArray[np.uint8]
Depth = NDArray[np.float32]


def paint(depth: Depth, prompt: str, seeds: range) -> Images:
    return load_synthesizer("shaded").generate(depth, [prompt] * len(depth), seeds)


def test_the_same_seed_gives_the_same_bytes_whatever_the_batch_order_and_threads(depth: Depth) -> None:
    prompts = [f"a {name} chair" for name in ("red", "oak", "glass", "", "brick", "striped")] * 2
    seeds = list(range(12))
    together = ShadedSynthesizer().generate(depth, prompts, seeds)
    threaded = load_synthesizer("shaded", SynthesisExecution(workers=3)).generate(depth, prompts, seeds)
    backwards = ShadedSynthesizer().generate(depth[::-1], prompts[::-1], seeds[::-1])[::-1]
    alone = [ShadedSynthesizer().generate(depth[i : i + 1], [prompts[i]], [seeds[i]])[0] for i in range(12)]
    assert np.array_equal(together, threaded)
    assert np.array_equal(together, backwards)
    assert np.array_equal(together, np.stack(alone))


def test_the_bytes_are_the_ones_of_this_version(depth: Depth) -> None:
    """A change here is a change of the stage's output: raise STAGE_VERSION with it."""
    prompts = [f"a {word} thing" for word in ("red", "oak", "glass", "", "brick", "striped", *MATERIALS)][:12]
    images = ShadedSynthesizer().generate(depth, prompts, range(12))
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "9acb5670feabbf65"


@pytest.mark.parametrize("side", [16, 64, 100, 224])
def test_any_size_can_be_painted(side: int) -> None:
    depth = np.stack([scene(number, side) for number in range(3)])
    images = paint(depth, "a green metal lamp", range(3))
    assert images.shape == (3, side, side, 3)
    assert images.std() > 10


def test_other_sides_and_tiny_objects_are_painted_too() -> None:
    depth = np.ones((2, 40, 72), np.float32)
    depth[0, 3, 5] = 0.5
    assert paint(depth, "a marble vase", range(2)).shape == (2, 40, 72, 3)


def test_seeds_make_genuinely_different_images() -> None:
    depth = np.repeat(scene(0, 64)[None], 40, 0)
    images = paint(depth, "a chair", range(40)).astype(np.float32)
    centres, corners = images[:, 24:40, 24:40].mean((1, 2)), images[:, :8, :8].mean((1, 2))
    assert (centres.std(0) > 25).all()
    assert (corners.std(0) > 25).all()


@pytest.mark.parametrize("name", ["red", "orange", "yellow", "green", "blue", "purple", "pink"])
@pytest.mark.parametrize("material", ["", *(words.split()[0] for words in MATERIAL_WORDS.values())])
def test_the_object_has_the_colour_the_caption_names(name: str, material: str) -> None:
    from opendlign_core.synthesis.words import COLOURS

    count = 6
    depth = np.stack([scene(number, 64) for number in range(count)])
    images = paint(depth, f"A realistic {name} {material} chair, best quality.", range(100, 100 + count))
    wanted = colorsys.rgb_to_hsv(*COLOURS[name])[0]
    for image, mask in zip(images, depth < 1, strict=True):
        hue, saturation, _ = colorsys.rgb_to_hsv(*(image[mask].mean(0) / 255))
        if material == "glass":  # lets the backdrop through
            continue
        assert abs((hue - wanted + 0.5) % 1 - 0.5) < 0.05
        assert saturation > 0.2


def test_black_objects_are_darker_than_white_ones(depth: Depth) -> None:
    dark, light = (paint(depth, f"a {name} chair", range(12)) for name in ("black", "white"))
    inside = depth < 1
    assert light[inside].mean() - dark[inside].mean() > 90


def test_edges_lie_on_the_depth_map_to_the_pixel(depth: Depth) -> None:
    images = paint(depth, "a bright red rubber ball with green background", range(12)).astype(int)
    redder = images[..., 0] > images[..., 1]
    assert np.array_equal(redder, depth < 1)


def test_contours_stay_visible_whatever_the_colours() -> None:
    depth = np.stack([scene(number, 96) for number in range(48)])
    scores = [
        edge_agreement(image, view) for image, view in zip(paint(depth, "a vase", range(48)), depth, strict=True)
    ]
    assert min(scores) > 0.6
    assert np.median(scores) > 0.9


def test_every_word_has_its_material_and_every_pattern_its_texture() -> None:
    assert set(MATERIAL_WORDS) <= set(MATERIALS)
    assert set(PATTERN_WORDS) == set(PATTERNS)


def test_relief_and_contrast_are_honoured(depth: Depth) -> None:
    flat, deep = (ShadedSynthesizer(ShadedRecipe(relief=relief)) for relief in (0.05, 3.0))
    prompts, seeds = ["a white ceramic ball"] * 12, range(12)
    inside = depth < 1
    assert flat.generate(depth, prompts, seeds)[inside].std() < deep.generate(depth, prompts, seeds)[inside].std()


def test_bad_inputs_are_named(depth: Depth) -> None:
    painter = load_synthesizer("shaded")
    with pytest.raises(ValueError, match=r"\[N, H, W\]"):
        painter.generate(depth[0], ["a"], [0])
    with pytest.raises(ValueError, match="12 depth maps"):
        painter.generate(depth, ["a"], [0])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        painter.generate(depth * 3, ["a"] * 12, range(12))
    with pytest.raises(ValueError, match="watercolour"):
        load_synthesizer("watercolour")
