"""Weights with their origin, and the checkpoints that a stopped run continues from.

A checkpoint is a folder `step-00000120/` with the weights and the trainer's state. It appears in one rename, so a
folder under its final name is complete. The state is read with `weights_only=True`; no pickle is ever executed.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.loop.errors import Diverged
from opendlign_core.loop.files import read_tensors, write_tensors
from opendlign_core.loop.layout import STATE_FILE, WEIGHTS_FILE


class Origin(NamedTuple):
    """Which run weights come from: their format, the recipe as plain JSON, and the fingerprint of the run's output."""

    format: str
    recipe: dict[str, Any]
    fingerprint: str = ""

    def difference(self, other: "Origin") -> str:
        """Name what tells another run from this one; empty where nothing does."""
        names = sorted(self.recipe.keys() | other.recipe.keys())
        found = [
            f"{name}: {json.dumps(other.recipe.get(name))} there, {json.dumps(self.recipe.get(name))} here"
            for name in names
            if self.recipe.get(name) != other.recipe.get(name)
        ]
        return "; ".join(found) or ("" if self == other else "its data")


class Weights(NamedTuple):
    """Trained tensors, the run they come from and the step they stand at."""

    tensors: dict[str, Tensor]
    origin: Origin
    step: int


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights whole, or not at all.

    Raises:
        Diverged: a tensor is not finite; what lies at `path` stays.
    """
    require_finite(weights.tensors, weights.step)
    write_tensors(path, weights.tensors, {**weights.origin._asdict(), "step": weights.step})


def read_weights(path: Path) -> Weights:
    """Read what `save_weights` wrote; raises `ValueError` for any other safetensors file."""
    tensors, found = read_tensors(path)
    if "format" not in found:
        raise BadInput(f"{path} holds no trained weights (its metadata name no format)")
    return Weights(tensors, Origin(found["format"], found["recipe"], found["fingerprint"]), found["step"])


def require_finite(tensors: Mapping[str, Tensor], step: int) -> None:
    """Raise `Diverged` where a tensor holds NaN or infinity."""
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise Diverged(f"the weights after step {step} are not finite ({', '.join(broken)}); they are not written")


def save_checkpoint(folder: Path, weights: Weights, state: Mapping[str, Any], keep: int) -> Path:
    """Write the checkpoint of `weights.step` under `folder` and remove all but the newest `keep`."""
    final = folder / f"step-{weights.step:08d}"
    partial = folder / f".{final.name}.{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_weights(partial / WEIGHTS_FILE, weights)
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


def read_checkpoint(path: Path) -> tuple[Weights, dict[str, Any]]:
    """The weights and the trainer's state of one checkpoint."""
    state: dict[str, Any] = torch.load(path / STATE_FILE, map_location="cpu", weights_only=True)
    return read_weights(path / WEIGHTS_FILE), state
