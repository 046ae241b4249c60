"""Adapters (the trained tensors and where they come from) and the checkpoints a stopped run continues from.

A checkpoint is a folder `step-00000120/` with `adapter.safetensors` and `state.pt`. It appears in one rename, so a
folder under its final name is complete. `state.pt` is read with `weights_only=True`; no pickle is ever executed.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from opendlign_core.clip.load import load_clip
from opendlign_core.training.files import read_tensors, write_tensors
from opendlign_core.training.model import DepthAlignedCLIP
from opendlign_core.training.recipe import TrainRecipe

ADAPTER_FILE = "adapter.safetensors"
STATE_FILE = "state.pt"
FORMAT = "opendlign-adapter/1"
LOG_SCALE = "logit_scale"


class Adapter(NamedTuple):
    """The trained tensors with the recipe that made them, the fingerprint of its stage and the step it stands at."""

    tensors: dict[str, Tensor]
    recipe: TrainRecipe
    fingerprint: str
    step: int


def save_adapter(path: Path, adapter: Adapter) -> None:
    """Write an adapter whole."""
    metadata = {
        "format": FORMAT,
        "recipe": adapter.recipe.model_dump(mode="json"),
        "fingerprint": adapter.fingerprint,
        "step": adapter.step,
    }
    write_tensors(path, adapter.tensors, metadata)


def read_adapter(path: Path) -> Adapter:
    """Read an adapter; raises `ValueError` for a safetensors file that is something else."""
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} is not an OpenDlign adapter (format {metadata.get('format')!r})")
    recipe = TrainRecipe.model_validate(metadata["recipe"])
    return Adapter(tensors, recipe, metadata["fingerprint"], metadata["step"])


def load_aligned(path: Path, device: torch.device | str = "cpu", clip_weights: Path | None = None) -> DepthAlignedCLIP:
    """Build the CLIP an adapter was trained on and put the adapter in: the model that evaluation uses.

    `clip_weights` takes the place of the CLIP weights that the adapter's recipe names.
    """
    adapter = read_adapter(path)
    spec = adapter.recipe.clip
    if clip_weights is not None:
        spec = spec.model_copy(update={"weights": str(clip_weights), "weights_sha256": None})
    model = DepthAlignedCLIP(load_clip(spec), adapter.recipe.blocks, adapter.recipe.blend)
    model.load_adapter_state(adapter.tensors)
    return model.eval().to(device)


def save_checkpoint(folder: Path, adapter: Adapter, state: Mapping[str, Any], keep: int) -> Path:
    """Write the checkpoint of `adapter.step` under `folder` and remove all but the newest `keep`."""
    final = folder / f"step-{adapter.step:08d}"
    partial = folder / f".{final.name}.{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_adapter(partial / ADAPTER_FILE, adapter)
    with (partial / STATE_FILE).open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    if final.exists():
        shutil.rmtree(final)
    partial.rename(final)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def list_checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def read_checkpoint(path: Path) -> tuple[Adapter, dict[str, Any]]:
    """The adapter and the trainer's state of one checkpoint."""
    state: dict[str, Any] = torch.load(path / STATE_FILE, map_location="cpu", weights_only=True)
    return read_adapter(path / ADAPTER_FILE), state


def describe_difference(mine: TrainRecipe, theirs: TrainRecipe) -> str:
    """Name the fields in which two recipes differ."""
    left, right = mine.model_dump(mode="json"), theirs.model_dump(mode="json")
    return "; ".join(
        f"{name}: {json.dumps(right[name])} there, {json.dumps(left[name])} here"
        for name in left
        if left[name] != right[name]
    )
