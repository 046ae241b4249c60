"""The ControlNet painter on a CUDA device, with the small real networks of the CPU tests."""

from pathlib import Path

import numpy as np
import pytest
import torch

from opendlign_core.synthesis import ControlNetRecipe, ModelRef, SynthesisExecution, load_synthesizer
from tests.synthesis.networks import save_networks
from tests.synthesis.scenes import scene

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PROMPTS, SEEDS = ["a red chair", "a blue vase"] * 4, range(8)
DEPTH = np.stack([scene(number, 64) for number in range(8)])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ControlNetRecipe:
    folder = tmp_path_factory.mktemp("weights")
    save_networks(folder)
    base, control = ModelRef(id=str(folder)), ModelRef(id=str(Path(folder) / "controlnet"))
    return ControlNetRecipe(base=base, controlnet=control, steps=3, generation_size=64, dtype="float32")


def paint(recipe: ControlNetRecipe, **settings: object) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    execution = SynthesisExecution.model_validate(settings)
    return load_synthesizer(recipe, execution).generate(DEPTH, PROMPTS, SEEDS)


def test_cuda_paints_what_the_cpu_paints(small: ControlNetRecipe) -> None:
    difference = np.abs(paint(small, device="cuda").astype(int) - paint(small, device="cpu"))
    assert np.quantile(difference, 0.99) <= 4


def test_batches_of_one_and_eight_agree(small: ControlNetRecipe) -> None:
    one, eight = (paint(small, device="cuda", batch_size=size).astype(int) for size in (1, 8))
    assert np.quantile(np.abs(one - eight), 0.99) <= 4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near(small: ControlNetRecipe, dtype: str) -> None:
    half = paint(small.model_copy(update={"dtype": dtype}), device="cuda").astype(int)
    assert np.abs(half - paint(small, device="cuda")).mean() < 20


def test_compiled_networks_agree_and_a_last_small_batch_is_padded(small: ControlNetRecipe) -> None:
    plain, fast = (paint(small, device="cuda", batch_size=3, compile=compiled) for compiled in (False, True))
    assert np.quantile(np.abs(plain.astype(int) - fast), 0.99) <= 8


def test_the_batch_is_chosen_by_free_memory() -> None:
    from opendlign_core.synthesis.controlnet import _batch_that_fits

    chosen = _batch_that_fits(torch.device("cuda"), 256)
    assert chosen & (chosen - 1) == 0
    assert 1 <= chosen <= 128
