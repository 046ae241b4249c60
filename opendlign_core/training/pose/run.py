"""Training a pose network from beginning to end."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from opendlign_core.clip.device import choose_device
from opendlign_core.loop.batches import EpochBatches
from opendlign_core.loop.checkpoint import Origin
from opendlign_core.loop.order import Indices
from opendlign_core.loop.progress import Progress
from opendlign_core.loop.run import Habits, LoopResult, run_loop
from opendlign_core.loop.sources import Source
from opendlign_core.training.pose.learner import Photos, PoseLearner, mirrored_photos
from opendlign_core.training.pose.network import PoseNetwork, new_network
from opendlign_core.training.pose.recipe import PosenetRecipe

FORMAT = "opendlign-pose/1"
HABITS = Habits(log_every=10, keep_checkpoints=1, validate_every=0)


class PosenetResult(NamedTuple):
    """The trained network, and where its files lie."""

    network: PoseNetwork
    loop: LoopResult


def train_pose(
    source: Source[Photos],
    recipe: PosenetRecipe,
    workdir: Path,
    *,
    categories: int = 0,
    device: str = "auto",
    fingerprint: str = "",
    on_progress: Callable[[Progress], None] | None = None,
    on_checkpoint: Callable[[Path], None] | None = None,
) -> PosenetResult:
    """Train the network of a recipe on photos and leave weights, metrics and curves in `workdir`.

    A run that was killed continues at the exact next batch.

    Args:
        source: photos of the recipe's image size.
        recipe: what to train.
        workdir: a folder of this run's own.
        categories: how many categories the photos have, where the recipe classifies.
        device: where to train.
        fingerprint: what the photos are; a folder that holds another's checkpoints is refused.
        on_progress: called each time metrics are written.
        on_checkpoint: called with each new checkpoint.

    Raises:
        Diverged: loss, gradient or weights are no longer finite.
        BadInput: the folder holds another run, or the weights file is not of that network.
    """
    network = new_network(recipe, categories).to(choose_device(device))

    def view(photos: Photos, indices: Indices, epoch: int) -> Photos:
        return mirrored_photos(photos, indices, recipe.seed, epoch)

    batches = EpochBatches(source, recipe.batch, recipe.epochs, recipe.seed, view=view if recipe.flip else None)
    told = recipe.model_dump(mode="json", exclude={"weights"}) | {"categories": categories}
    loop = run_loop(
        PoseLearner(network, recipe),
        batches,
        HABITS,
        workdir,
        Origin(FORMAT, told, fingerprint),
        on_progress=on_progress,
        on_checkpoint=on_checkpoint,
    )
    return PosenetResult(network, loop)
