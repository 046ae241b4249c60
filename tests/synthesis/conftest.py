"""Real networks of the real classes, small and with random weights, saved the way published ones are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.samples import DepthMaps
from opendlign_core.synthesis import ControlNetRecipe, ModelRef, SynthesisRecipe
from tests.synthesis.scenes import scene, toy
from tests.threads import torch_threads


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Small products gain nothing from threads, and lose much on a busy machine."""
    with torch_threads(1):
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pipeline as `save_pretrained` writes it."""
    from tests.synthesis.networks import save_networks

    folder = tmp_path_factory.mktemp("weights")
    save_networks(folder)
    return folder


@pytest.fixture(scope="session")
def small(weights: Path) -> ControlNetRecipe:
    """The recipe of a small ControlNet painter in float32."""
    return ControlNetRecipe(
        base=ModelRef(id=str(weights)),
        controlnet=ModelRef(id=str(weights / "controlnet")),
        steps=3,
        generation_size=32,
        dtype="float32",
    )


@pytest.fixture(scope="session")
def open_gate() -> SynthesisRecipe:
    """A shaded recipe whose gate lets everything finite pass."""
    gate = {"minimum_brightness": 0, "minimum_variation": 0, "minimum_edge_agreement": 0}
    return SynthesisRecipe.model_validate({"gate": gate})


@pytest.fixture(scope="session")
def depth() -> NDArray[np.float32]:
    """Twelve depth maps of 64 x 64 pixels."""
    return np.stack([scene(number, 64) for number in range(12)])


@pytest.fixture(scope="session")
def objects(depth: NDArray[np.float32]) -> list[DepthMaps]:
    """Six objects of two views each."""
    captions = ("red ball", "blue wooden box", "chair", "green metal ring", "gold vase", "striped lamp")
    return [toy(str(i), depth[2 * i : 2 * i + 2], caption) for i, caption in enumerate(captions)]
