"""A trained model as a folder that plain open_clip loads with `local-dir:`."""

import copy
import json
import shutil
from pathlib import Path
from typing import Literal

from torch import Tensor

from opendlign_core.clip.load import architecture_of
from opendlign_core.clip.spec import CONFIG_FILE, WEIGHTS_FILE, ClipSpec
from opendlign_core.clip.vocabulary import WORDS_FILE, words_file
from opendlign_core.loop.files import write_tensors, write_whole
from opendlign_core.training.depth_branch.model import DepthAlignedCLIP
from opendlign_core.training.depth_branch.recipe import TrainRecipe
from opendlign_core.training.depth_branch.weights import BranchWeights, save_branch

BRANCH_FILE = "depth_branch.safetensors"

Tower = Literal["frozen", "depth"]
"""What the one image tower of the folder is: the CLIP as it was, or one whose last blocks stand for both branches."""

TRAINED_SHARE = 0.6
"""Of the trained weights in a `depth` tower; chosen on the validation split of the mini preset (docs/training.md)."""


def write_folder(
    model: DepthAlignedCLIP, recipe: TrainRecipe, folder: Path, fingerprint: str = "", tower: Tower = "frozen"
) -> None:
    """Write configuration, weights (float32) and, beside a frozen tower, the depth branch, which is this product's.

    open_clip has one image tower and the depth branch averages the outputs of two blocks, which no single block can
    do. So a folder holds the frozen CLIP exactly, with the branch in a file that open_clip does not read, or in its
    one tower last blocks whose weights are a mean of both, which is near to the depth branch and not the same.
    """
    tensors: dict[str, Tensor] = model.clip.state_dict()
    if tower == "depth":
        tensors = tensors | _mixed_last(model)
    else:
        save_branch(folder / BRANCH_FILE, BranchWeights(model.branch_state(), recipe, fingerprint))
    write_tensors(folder / WEIGHTS_FILE, {name: tensor.float() for name, tensor in tensors.items()}, {})
    text = json.dumps(_configuration(recipe.clip), indent=2) + "\n"
    write_whole(folder / CONFIG_FILE, lambda partial: _write(partial, text))
    if (words := words_file(recipe.clip)) is not None:
        shutil.copyfile(words, folder / WORDS_FILE)


def _mixed_last(model: DepthAlignedCLIP) -> dict[str, Tensor]:
    """Weights between those of the last blocks and of the trained copies, under the names of the former."""
    resblocks = model.clip.visual.transformer.resblocks
    mixed: dict[str, Tensor] = {}
    for place, trained in enumerate(model.depth_blocks, len(resblocks) - model.blocks):
        last = resblocks[place].state_dict()
        for name, tensor in trained.state_dict().items():
            mixed[f"visual.transformer.resblocks.{place}.{name}"] = last[name].lerp(tensor, TRAINED_SHARE)
    return mixed


def _configuration(spec: ClipSpec) -> dict[str, object]:
    """What open_clip reads; pictures are normalised as the model was trained, which open_clip does not assume."""
    pixels = {"size": spec.image_size, "mean": list(spec.mean), "std": list(spec.std)}
    return {"model_cfg": copy.deepcopy(architecture_of(spec)), "preprocess_cfg": pixels}


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
