"""A proposer by its recipe: what says where in a scene things may stand."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opendlign_core.chance import object_rng
from opendlign_core.errors import BadInput
from opendlign_core.proposal.box_files import read_boxes
from opendlign_core.proposal.proposals import Proposals
from opendlign_core.proposal.recipe import BoxFiles, DetrRecipe, ProposeExecution, ProposeRecipe, TrueBoxes
from opendlign_core.proposal.superpoints.recipe import SuperpointsRecipe
from opendlign_core.samples import Scene

if TYPE_CHECKING:
    from opendlign_core.proposal.detr.network import Detr3d

Propose = Callable[[Scene], Proposals]
"""Raises `BadInput` for a scene that it can propose nothing for."""


def load_proposer(recipe: ProposeRecipe, execution: ProposeExecution) -> Propose:
    """Read what the proposer needs, once for many scenes; raises `BadInput` where that cannot be read."""
    match recipe.proposer:
        case SuperpointsRecipe() as superpoints:
            return partial(_by_superpoints, superpoints)
        case TrueBoxes():
            return _as_they_are
        case BoxFiles() as boxes:
            return partial(_from_file, boxes, boxes.files())
        case DetrRecipe() as detr:
            return _by_detr(detr, execution, recipe.seed)


def _by_superpoints(recipe: SuperpointsRecipe, scene: Scene) -> Proposals:
    from opendlign_core.proposal.superpoints.proposing import propose

    return propose(scene.points, recipe)


def _as_they_are(scene: Scene) -> Proposals:
    if not scene.meta.things:
        raise BadInput("the scene has no true boxes; choose another proposer")
    return Proposals(scene.boxes, np.ones(len(scene.boxes)))


def _from_file(recipe: BoxFiles, files: dict[str, Path], scene: Scene) -> Proposals:
    name = scene.meta.object_id.partition("/")[2].replace("/", "_")
    if name not in files:
        raise BadInput(f"there is no file of boxes called {name}")
    try:
        return read_boxes(files[name], recipe.up_axis)
    except BadInput as error:  # the reason ends up in outputs, which are the same wherever files lie
        raise BadInput(str(error).replace(str(files[name]), files[name].name)) from error


def load_detr(recipe: DetrRecipe) -> "Detr3d":
    """The model of a recipe, on the processor; raises `BadInput` where its file is something else."""
    from opendlign_core.proposal.detr.model import read_detr

    return read_detr(Path(recipe.checkpoint).expanduser(), recipe.tokens, recipe.queries)


def _by_detr(recipe: DetrRecipe, execution: ProposeExecution, seed: int) -> Propose:
    from opendlign_core.clip.device import choose_device
    from opendlign_core.proposal.detr.model import propose

    model = load_detr(recipe).to(choose_device(execution.device))

    def propose_for(scene: Scene) -> Proposals:
        count, rng = len(scene.points), object_rng(seed, scene.meta.object_id)
        shown = rng.choice(count, recipe.points, replace=count < recipe.points) if count else slice(0)
        return propose(model, scene.points[shown])

    return propose_for
