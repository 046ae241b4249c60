"""Checkpoints in the published project's `.pth` schema: read without executing their pickle, and written.

The published files were saved with PyTorch 1.11 and hold a bound method of the scheduler, which `weights_only=True`
refuses.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from opendlign_core.clip.load import load_clip
from opendlign_core.errors import BadInput
from opendlign_core.loop.files import write_tensors, write_whole
from opendlign_core.pickled import read_pickled
from opendlign_core.training.depth_branch.learner import DepthBranchLearner
from opendlign_core.training.depth_branch.model import DepthAlignedCLIP
from opendlign_core.training.depth_branch.recipe import TrainRecipe
from opendlign_core.training.depth_branch.weights import BranchWeights, save_branch

CLIP_PREFIX = "clip_model."
DEPTH_PREFIX = "visual.transformer.depth_control_visual."
SCALE_KEY = "logit_scale"


class OfficialCheckpoint(NamedTuple):
    """A published checkpoint: the plain CLIP's tensors, the depth blocks' (`resblocks.0...`), and how far it went."""

    clip: dict[str, Tensor]
    depth: dict[str, Tensor]
    epoch: int
    optimiser: dict[str, Any]


def read_official(path: Path) -> OfficialCheckpoint:
    """Read a published `.pth` file; raises `ValueError` when it is something else."""
    content = read_pickled(path)
    state = content.get("model_state_dict") if isinstance(content, dict) else None
    if not isinstance(state, Mapping) or SCALE_KEY not in state:
        raise BadInput(f"{path} is not an OpenDlign checkpoint: it has no model_state_dict with a {SCALE_KEY}")
    inner = {name.removeprefix(CLIP_PREFIX): tensor for name, tensor in state.items() if name.startswith(CLIP_PREFIX)}
    return OfficialCheckpoint(
        clip={name: tensor for name, tensor in inner.items() if not name.startswith(DEPTH_PREFIX)},
        depth={name.removeprefix(DEPTH_PREFIX): tensor for name, tensor in inner.items() if DEPTH_PREFIX in name},
        epoch=int(content["epoch"]),
        optimiser=content.get("optimizer_d_visual_state_dict") or {},
    )


def load_official(model: DepthAlignedCLIP, checkpoint: OfficialCheckpoint) -> None:
    """Put a published checkpoint into a model of the same variant; every tensor must find its place."""
    model.clip.load_state_dict(checkpoint.clip, strict=True)
    model.depth_blocks.load_state_dict(
        {name.removeprefix("resblocks."): tensor for name, tensor in checkpoint.depth.items()}, strict=True
    )


def import_official(
    checkpoint: OfficialCheckpoint, recipe: TrainRecipe, clip: Path, branch: Path, fingerprint: str = ""
) -> BranchWeights:
    """Split a published checkpoint into CLIP weights and branch weights, both safetensors; returns the latter.

    `recipe` says which CLIP it is; its own weights are not needed. The published files hold the whole CLIP, so what
    is written here evaluates without any download.

    Raises:
        BadInput: the checkpoint is another variant's.
    """
    blank = recipe.clip.model_copy(update={"weights": "random", "weights_sha256": None})
    model = DepthAlignedCLIP(load_clip(blank), recipe.blocks, recipe.blend)
    try:
        load_official(model, checkpoint)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:300]
        raise BadInput(
            f"the checkpoint does not fit {recipe.clip.model} with {recipe.blocks} block(s): {first}"
        ) from error
    write_tensors(clip, model.clip.state_dict(), {})
    found = BranchWeights(model.branch_state() | _changed_tensors(model), recipe, fingerprint)
    save_branch(branch, found)
    return found


def _changed_tensors(model: DepthAlignedCLIP) -> dict[str, Tensor]:
    """What else of the depth blocks than their attention is not the CLIP's own; nothing, after plain training."""
    own = list(model.clip.visual.transformer.resblocks)[-model.blocks :]
    return {
        f"resblocks.{index}.{name}": tensor
        for index, (block, copied) in enumerate(zip(own, model.depth_blocks, strict=True))
        for name, tensor in copied.state_dict().items()
        if not torch.equal(tensor, block.state_dict()[name])
    }


def official_state_dict(model: DepthAlignedCLIP) -> dict[str, Tensor]:
    """The model's tensors under the published names, the logit scale twice as there."""
    clip = dict(model.clip.state_dict())
    depth = {f"{DEPTH_PREFIX}resblocks.{name}": tensor for name, tensor in model.depth_blocks.state_dict().items()}
    inner = {f"{CLIP_PREFIX}{name}": tensor for name, tensor in (clip | depth).items()}
    return {SCALE_KEY: clip["logit_scale"], **inner}


def write_official(path: Path, learner: DepthBranchLearner, step: int, steps: int, epoch: int) -> None:
    """Write model, optimiser and schedule after `step` of `steps` steps in the published four-entry schema."""
    content = {
        "epoch": epoch,
        "model_state_dict": {name: tensor.cpu() for name, tensor in official_state_dict(learner.model).items()},
        "optimizer_d_visual_state_dict": _optimiser_state(learner),
        "scheduler_d_visual_state_dict": _scheduler_state(learner, step, steps),
    }
    write_whole(path, lambda partial: torch.save(content, partial))


def visual_parameter_names(model: DepthAlignedCLIP) -> list[str]:
    """The published optimiser's parameters in its order: the visual tower with the depth blocks after its blocks."""
    names = [name for name, _ in model.clip.visual.named_parameters()]
    last = max(index for index, name in enumerate(names) if name.startswith("transformer.")) + 1
    depth = [f"depth.resblocks.{name}" for name, _ in model.depth_blocks.named_parameters()]
    return names[:last] + depth + names[last:]


def _optimiser_state(learner: DepthBranchLearner) -> dict[str, Any]:
    names = visual_parameter_names(learner.model)
    states = learner.optimiser.state
    state = {
        names.index(f"depth.{name}"): dict(states[parameter])
        for name, parameter in learner.parameters.items()
        if parameter in states
    }
    recipe, group = learner.recipe, dict(learner.optimiser.param_groups[0])
    group |= _cycle_bounds(recipe) | {"params": list(range(len(names)))}
    return {"state": state, "param_groups": [group]}


def _cycle_bounds(recipe: TrainRecipe) -> dict[str, float]:
    first = recipe.peak_lr / recipe.start_divisor
    return {
        "initial_lr": first,
        "max_lr": recipe.peak_lr,
        "min_lr": first / recipe.end_divisor,
        "base_momentum": recipe.beta1_low,
        "max_momentum": recipe.beta1_high,
    }


def _scheduler_state(learner: DepthBranchLearner, step: int, steps: int) -> dict[str, Any]:
    """PyTorch's one-cycle state after as many steps, in plain values."""
    recipe = learner.recipe
    rise = {
        "start_lr": "initial_lr",
        "end_lr": "max_lr",
        "start_momentum": "max_momentum",
        "end_momentum": "base_momentum",
    }
    fall = {
        "start_lr": "max_lr",
        "end_lr": "min_lr",
        "start_momentum": "base_momentum",
        "end_momentum": "max_momentum",
    }
    return {
        "total_steps": steps,
        "_schedule_phases": [
            {"end_step": recipe.warmup * steps - 1, **rise},
            {"end_step": steps - 1, **fall},
        ],
        "_anneal_func_type": "cos",
        "cycle_momentum": True,
        "use_beta1": True,
        "base_lrs": [recipe.peak_lr / recipe.start_divisor],
        "last_epoch": step,
        "_step_count": step + 1,
        "_last_lr": [learner.pace(min(step, steps - 1), steps).lr],
    }
