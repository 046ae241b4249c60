"""The trained tensors of a depth branch with the recipe that made them, and the model that they belong to."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from opendlign_core.clip.load import load_clip
from opendlign_core.clip.spec import ClipSpec
from opendlign_core.errors import BadInput
from opendlign_core.loop.checkpoint import Origin, Weights, read_weights, save_weights
from opendlign_core.training.depth_branch.model import DepthAlignedCLIP
from opendlign_core.training.depth_branch.recipe import TrainRecipe

FORMAT = "opendlign-adapter/1"
"""As it stands in files that were written already; the word lives on in them alone."""


class BranchWeights(NamedTuple):
    """The trained tensors, the recipe that made them, the fingerprint of its stage and the step they stand at."""

    tensors: dict[str, Tensor]
    recipe: TrainRecipe
    fingerprint: str = ""
    step: int = 0


def origin_of(recipe: TrainRecipe, fingerprint: str = "") -> Origin:
    """What tells one training run of a depth branch from another."""
    return Origin(FORMAT, recipe.model_dump(mode="json"), fingerprint)


def save_branch(path: Path, weights: BranchWeights) -> None:
    """Write branch weights whole."""
    save_weights(path, Weights(weights.tensors, origin_of(weights.recipe, weights.fingerprint), weights.step))


def read_branch(path: Path) -> BranchWeights:
    """Read branch weights.

    Raises:
        BadInput: the safetensors file is something else.
    """
    tensors, origin, step = read_weights(path)
    if origin.format != FORMAT:
        raise BadInput(f"{path} holds no weights of a depth branch (its format is {origin.format!r})")
    return BranchWeights(tensors, TrainRecipe.model_validate(origin.recipe), origin.fingerprint, step)


def load_aligned(path: Path, device: torch.device | str = "cpu", clip_weights: Path | None = None) -> DepthAlignedCLIP:
    """Build the CLIP that branch weights were trained on and put them in: the model that evaluation uses.

    `clip_weights` takes the place of the CLIP weights that the recipe names.
    """
    weights = read_branch(path)
    spec = weights.recipe.clip
    if clip_weights is not None:
        spec = spec.model_copy(update={"weights": str(clip_weights), "weights_sha256": None})
    model = _build(spec, weights.recipe)
    model.load_branch_state(weights.tensors)
    return model.eval().to(device)


def new_model(recipe: TrainRecipe, device: torch.device | str = "cpu") -> DepthAlignedCLIP:
    """The model that a recipe starts from: its branches still agree."""
    return _build(recipe.clip, recipe).to(device)


def _build(spec: ClipSpec, recipe: TrainRecipe) -> DepthAlignedCLIP:
    return DepthAlignedCLIP(load_clip(spec), recipe.blocks, recipe.blend)
