from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from opendlign_core.synthesis import ControlNetRecipe, ModelRef, SynthesisExecution, SynthesisRecipe, load_synthesizer
from opendlign_core.synthesis.controlnet import ControlNetSynthesizer
from opendlign_core.synthesis.denoise import initial_latents
from opendlign_core.synthesis.weights import WeightsMissing

Depth = NDArray[np.float32]
PROMPTS = ["a red chair", "a blue vase"] * 2
SEEDS = (11, 12, 13, 14)


def load(recipe: ControlNetRecipe, **settings: Any) -> ControlNetSynthesizer:
    painter = load_synthesizer(recipe, SynthesisExecution(device="cpu", **settings))
    assert isinstance(painter, ControlNetSynthesizer)
    return painter


def latents(painter: ControlNetSynthesizer, depth: Depth, batch: int) -> torch.Tensor:
    """The final latents of four images, denoised in batches."""
    parts = []
    with torch.inference_mode():
        for start in range(0, 4, batch):
            part = slice(start, start + batch)
            condition = painter.condition(torch.from_numpy(depth[:4][part]))
            parts.append(painter.denoise(condition, painter.encode(PROMPTS[part]), list(SEEDS)[part]))
    return torch.cat(parts)


def test_first_latents_do_not_depend_on_the_batch() -> None:
    together, _ = initial_latents(SEEDS, 4, 8)
    alone = torch.cat([initial_latents([seed], 4, 8)[0] for seed in SEEDS])
    assert torch.equal(together, alone)
    assert len({float(sample.sum()) for sample in together}) == 4


@pytest.mark.parametrize("scheduler", ["ddim", "unipc", "lcm"])
def test_batches_of_one_and_four_differ_by_rounding_only(
    small: ControlNetRecipe, depth: Depth, scheduler: str
) -> None:
    """Products over other batch sizes round differently on a CPU: up to 4e-5 in latents was seen, one grey level."""
    painter = load(small.model_copy(update={"scheduler": scheduler}))
    one, four = latents(painter, depth, 1), latents(painter, depth, 4)
    assert torch.allclose(one, four, atol=1e-3)
    images = [load(small, batch_size=size).generate(depth[:4], PROMPTS, SEEDS) for size in (1, 4)]
    assert np.abs(images[0].astype(int) - images[1]).max() <= 2


def test_on_the_cpu_images_are_the_same_bytes_however_they_are_handed_over(
    small: ControlNetRecipe, depth: Depth
) -> None:
    painter = load(small)
    assert painter.batch_size == 1
    together = painter.generate(depth[:4], PROMPTS, SEEDS)
    backwards = painter.generate(depth[:4][::-1], PROMPTS[::-1], SEEDS[::-1])[::-1]
    assert np.array_equal(together, backwards)


def test_the_latents_are_those_of_the_published_pipeline(small: ControlNetRecipe, depth: Depth, weights: Path) -> None:
    from diffusers import StableDiffusionControlNetPipeline

    painter = load(small, batch_size=4)
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(weights)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = painter.denoise.scheduler
    theirs = pipeline(
        PROMPTS,
        image=painter.condition(torch.from_numpy(depth[:4])),
        negative_prompt=[SynthesisRecipe().prompt.negative_prompt] * 4,
        num_inference_steps=small.steps,
        guidance_scale=small.guidance,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in SEEDS],
        output_type="latent",
    ).images
    assert torch.allclose(latents(painter, depth, 4), theirs, atol=1e-3)


def test_prompt_depth_and_seed_each_change_the_image(small: ControlNetRecipe, depth: Depth) -> None:
    painter = load(small, batch_size=4)
    images = painter.generate(depth[[0, 1, 0, 0]], ["a", "a", "b", "a"], [1, 1, 1, 2]).astype(int)
    assert all(np.abs(images[0] - other).mean() > 0.1 for other in images[1:])


def test_the_condition_is_the_inverse_depth_at_the_generations_size(small: ControlNetRecipe) -> None:
    depth = np.ones((1, 64, 64), np.float32)
    depth[0, 16:48, 16:48] = 0.0
    depth[0, 30, 5] = 0.0  # a speck that the median removes
    condition = load(small).condition(torch.from_numpy(depth))
    assert condition.shape == (1, 3, 32, 32)
    assert condition[0, 0, 16, 16] == pytest.approx(1)
    assert condition[0, 0, 15, 2] == pytest.approx(0)
    unfiltered = load(small.model_copy(update={"median": 1})).condition(torch.from_numpy(depth))
    assert unfiltered[0, 0, 15, 2] > 0.1


def test_guidance_outside_its_interval_is_left_out(small: ControlNetRecipe, depth: Depth) -> None:
    def count_samples(**update: Any) -> int:
        painter = load(small.model_copy(update={"steps": 4, **update}))
        seen: list[int] = []
        painter.denoise.unet.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        painter.generate(depth[:1], ["a"], [1])
        return sum(seen)

    assert count_samples() == 8
    assert count_samples(guidance_interval=(0.0, 0.5)) == 6
    assert count_samples(guidance=1.0) == 4


def test_out_of_memory_halves_the_batch_and_says_so(small: ControlNetRecipe, depth: Depth) -> None:
    painter = load(small, batch_size=4)
    expected = load(small, batch_size=1).generate(depth[:4], PROMPTS, SEEDS)

    def refuse_large(_: Any, inputs: Sequence[torch.Tensor]) -> None:
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    painter.denoise.unet.register_forward_pre_hook(refuse_large)
    painting = painter.paint(depth[:4], PROMPTS, SEEDS)
    assert (painting.batch_size, painter.batch_size) == (1, 1)
    assert np.array_equal(painting.images, expected)

    painter.denoise.unet.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("full")))
    with pytest.raises(torch.OutOfMemoryError):
        painter.paint(depth[:1], PROMPTS[:1], SEEDS[:1])


def test_with_no_room_for_a_single_image_the_idle_parts_leave_the_device(
    small: ControlNetRecipe, depth: Depth, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = load(small, batch_size=2)
    expected = load(small, batch_size=1).generate(depth[:2], PROMPTS[:2], SEEDS[:2])
    moved: list[str] = []

    def recorded(part: Any) -> Any:
        original = part.to

        def move(device: Any) -> Any:
            moved.append(f"{type(part).__name__} {device}")
            return original(device)

        return move

    for part in (painter.vae, painter.encode._text_encoder):
        monkeypatch.setattr(part, "to", recorded(part))

    def needs_their_room(*_: Any) -> None:
        if painter.resident:
            raise torch.OutOfMemoryError("CUDA out of memory")

    painter.denoise.unet.register_forward_pre_hook(needs_their_room)
    painting = painter.paint(depth[:2], PROMPTS[:2], SEEDS[:2])
    assert (painter.batch_size, painter.resident) == (1, False)
    assert moved[:2] == ["CLIPTextModel cpu", "AutoencoderKL cpu"]
    assert moved[2:] == ["AutoencoderKL cpu"] * 4, "to the device and away again for each image"
    assert np.array_equal(painting.images, expected)


def test_latents_that_are_not_finite_are_reported_and_spoil_no_other(small: ControlNetRecipe, depth: Depth) -> None:
    painter = load(small, batch_size=4)
    clean = painter.paint(depth[:4], PROMPTS, SEEDS)

    def poison(_: Any, __: Any, output: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        noise = output[0].clone()
        noise[[2, 6]] = torch.nan  # the third image, in both halves of the guidance
        return (noise,)

    painter.denoise.unet.register_forward_hook(poison)
    painting = painter.paint(depth[:4], PROMPTS, SEEDS)
    assert painting.finite.tolist() == [True, True, False, True]
    assert np.array_equal(painting.images[[0, 1, 3]], clean.images[[0, 1, 3]])


def test_each_prompt_is_encoded_once(small: ControlNetRecipe, depth: Depth) -> None:
    painter = load(small)
    seen: list[int] = []
    painter.encode._text_encoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    for _ in range(2):
        painter.generate(depth[:4], PROMPTS, SEEDS)
    assert seen == [1, 1]


def test_images_have_their_depth_maps_size(small: ControlNetRecipe) -> None:
    depth = np.full((1, 48, 40), 0.5, np.float32)
    assert load(small).generate(depth, ["a"], [0]).shape == (1, 48, 40, 3)


def test_a_tiny_decoder_can_take_the_vaes_place(small: ControlNetRecipe, depth: Depth, tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
    ).save_pretrained(tmp_path)
    tiny = small.model_copy(update={"tiny_vae": ModelRef(id=str(tmp_path))})
    images = load(tiny).generate(depth[:2], PROMPTS[:2], SEEDS[:2])
    assert images.shape == (2, 64, 64, 3)
    assert not np.array_equal(images, load(small).generate(depth[:2], PROMPTS[:2], SEEDS[:2]))


def test_half_precision_runs(small: ControlNetRecipe, depth: Depth) -> None:
    half = load(small.model_copy(update={"dtype": "bfloat16"}))
    full = load(small)
    one, other = (painter.generate(depth[:1], ["a"], [1]).astype(int) for painter in (half, full))
    assert 0 < np.abs(one - other).mean() < 20


def test_missing_weights_are_named_with_the_remedy(small: ControlNetRecipe, tmp_path: Path) -> None:
    recipe = ControlNetRecipe(controlnet=small.controlnet)
    with pytest.raises(WeightsMissing, match="hf download stable-diffusion-v1-5/stable-diffusion-v1-5 --revision"):
        load(recipe)
    with pytest.raises(WeightsMissing, match="nowhere/none is neither a folder nor"):
        load(small.model_copy(update={"controlnet": ModelRef(id="nowhere/none")}))
    with pytest.raises(WeightsMissing, match="holds no complete ControlNetModel"):
        load(small.model_copy(update={"controlnet": ModelRef(id=str(tmp_path))}))
