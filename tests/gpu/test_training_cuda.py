"""Training on a CUDA device: the same weights as on the CPU within rounding, wherever the cache lies."""

from pathlib import Path
from typing import Literal

import pytest
import torch

from opendlign_core.loop import InMemory
from opendlign_core.training import TrainExecution, build_entries, read_branch, train
from tests.training import tiny

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("placement", ["device", "host"])
def test_cached_training_matches_the_cpu(tmp_path: Path, placement: Literal["device", "host"]) -> None:
    recipe = tiny.recipe()
    entries = build_entries(tiny.model(), tiny.objects(), recipe.cache_recipe())
    on_gpu = TrainExecution(device="cuda", cache_placement=placement)
    cpu = read_branch(train(InMemory(entries), recipe, tiny.CPU, tmp_path / "cpu").weights).tensors
    gpu = read_branch(train(InMemory(entries), recipe, on_gpu, tmp_path / "gpu").weights).tensors
    for name, tensor in cpu.items():
        torch.testing.assert_close(gpu[name], tensor, atol=1e-4, rtol=0)


def test_plain_training_runs_in_bfloat16(tmp_path: Path) -> None:
    recipe = tiny.recipe(trainer="plain", precision="bfloat16", cache_dtype="bfloat16")
    assert train(InMemory(tiny.objects()), recipe, TrainExecution(device="cuda"), tmp_path).steps == 9


def test_cache_entries_match_the_cpu() -> None:
    recipe = tiny.recipe().cache_recipe()
    for mine, theirs in zip(
        build_entries(tiny.model().cuda(), tiny.objects(), recipe),
        build_entries(tiny.model(), tiny.objects(), recipe),
        strict=True,
    ):
        torch.testing.assert_close(mine.cpu(), theirs, atol=1e-4, rtol=1e-4)
