"""Training a depth branch from beginning to end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from opendlign_core.clip.device import choose_device
from opendlign_core.errors import BadInput
from opendlign_core.loop.batches import EpochBatches
from opendlign_core.loop.distributed import World, current_world
from opendlign_core.loop.progress import Progress
from opendlign_core.loop.run import Habits, LoopResult, run_loop
from opendlign_core.loop.sources import InMemory, Source
from opendlign_core.training.depth_branch.augment import flip_views
from opendlign_core.training.depth_branch.batches import CacheEntries, Objects
from opendlign_core.training.depth_branch.cache import place
from opendlign_core.training.depth_branch.learner import DepthBranchLearner
from opendlign_core.training.depth_branch.model import DepthAlignedCLIP
from opendlign_core.training.depth_branch.recipe import TrainRecipe
from opendlign_core.training.depth_branch.validation import Validation
from opendlign_core.training.depth_branch.weights import new_model, origin_of
from opendlign_core.training.recipe import TrainExecution

TrainSource = Source[CacheEntries] | Source[Objects]


def train(
    source: TrainSource,
    recipe: TrainRecipe,
    execution: TrainExecution,
    workdir: Path,
    *,
    model: DepthAlignedCLIP | None = None,
    validation: Validation | None = None,
    fingerprint: str = "",
    on_progress: Callable[[Progress], None] | None = None,
    on_checkpoint: Callable[[Path], None] | None = None,
) -> LoopResult:
    """Train the depth branch on `source` and leave weights, metrics and curves in `workdir`.

    A run that was killed continues at the exact next batch; on a CPU its outcome equals an uninterrupted run's.
    Inside a process group (see `torchrun_world`) every rank calls this with the same arguments; rank 0 writes.

    Args:
        source: cache entries for the cached trainer, pixels for the plain one.
        recipe: what to train.
        execution: where and how to run it.
        workdir: a folder of this run's own, shared by all ranks.
        model: the model to train, untrained, where it is already loaded; by default it is built from the recipe.
        validation: held-out objects.
        fingerprint: the identity of this run; a folder that holds another's checkpoints is refused.
        on_progress: called on rank 0 each time metrics are written.
        on_checkpoint: called on rank 0 with each new checkpoint.

    Raises:
        Diverged: loss, gradient or weights are no longer finite.
        ValueError: the folder holds another run, or the source does not suit the trainer.
    """
    world, device = current_world(), choose_device(execution.device)
    model = model.to(device) if model is not None else new_model(recipe, device)
    return run_loop(
        DepthBranchLearner(model, recipe, world, validation),
        step_batches(_prepared(source, recipe, execution, model), recipe, world),
        _habits(recipe, execution),
        workdir,
        origin_of(recipe, fingerprint),
        world=world,
        on_progress=on_progress,
        on_checkpoint=on_checkpoint,
    )


def step_batches(source: Source[Any], recipe: TrainRecipe, world: World) -> EpochBatches[Any]:
    """What each step of a recipe trains on."""

    def flipped(objects: Objects, indices: Any, epoch: int) -> Objects:
        return flip_views(objects, indices, recipe.seed, epoch)

    return EpochBatches(
        source,
        recipe.batch_size,
        recipe.epochs,
        recipe.seed,
        shuffle_shards=recipe.shuffle_shards,
        world=world,
        view=flipped if recipe.augment == "flip" else None,
    )


def _habits(recipe: TrainRecipe, execution: TrainExecution) -> Habits:
    return Habits(
        log_every=execution.log_every,
        checkpoint_every_steps=execution.checkpoint_every_steps,
        keep_checkpoints=execution.keep_checkpoints,
        validate_every=recipe.validate_every,
        patience=recipe.patience,
        tensorboard=execution.tensorboard,
    )


def _prepared(source: TrainSource, recipe: TrainRecipe, execution: TrainExecution, model: DepthAlignedCLIP) -> Any:
    """Check that the source suits the trainer, and move a cache to where it is read fastest."""
    wants_cache = recipe.trainer == "cached"
    probe = source.batch(np.zeros(1, np.int64))
    if isinstance(probe, CacheEntries) != wants_cache:
        found, needed = type(probe).__name__, "CacheEntries" if wants_cache else "Objects"
        raise BadInput(f"the {recipe.trainer} trainer reads {needed}, the source holds {found}")
    if wants_cache and isinstance(source, InMemory):
        return place(source, model.device, execution.cache_placement)
    return source
