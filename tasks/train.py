"""Train: aligned shards become an adapter of the depth branch; a crash costs at most one epoch, on any machine."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task

from opendlign_core.training import STAGE_VERSION, TrainExecution, TrainRecipe
from storage.fetch import Fetcher
from storage.fingerprint import StageIdentity
from storage.output import StageOutput
from storage.reader import SampleReader
from storage.records import Manifest
from storage.stores import Store
from tasks.checkpoints import StoredCheckpoints
from tasks.policy import SHARD_TASK
from tasks.progress import current_progress
from tasks.shards import ShardWork, note_seconds
from tasks.slots import gpu_slot
from tasks.sources import training_source
from tasks.tokens import TokensRecipe, of_split

if TYPE_CHECKING:
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.training.model import DepthAlignedCLIP
    from opendlign_core.training.run import TrainProgress
    from opendlign_core.training.validation import Validation

STAGE = "train"
TRAIN_SPLIT = "train"
VALIDATION_SPLIT = "val"


def identify(recipe: TrainRecipe, aligned: str) -> StageIdentity:
    """A model is what the recipe trains on the aligned shards with that fingerprint; the cache is only a shortcut."""
    return StageIdentity.of(STAGE, STAGE_VERSION, recipe, {"synthesize": aligned})


def output(store: Store, recipe: TrainRecipe, aligned: str) -> StageOutput:
    return StageOutput(store, identify(recipe, aligned))


def cached_splits(recipe: TrainRecipe, aligned: Manifest) -> list[TokensRecipe]:
    """The token caches a recipe needs: training objects, and held-out ones where there are any."""
    if recipe.trainer != "cached":
        return []
    present: dict[str, int] = aligned.summary.get("splits", {})
    splits = [split for split in (TRAIN_SPLIT, VALIDATION_SPLIT) if present.get(split)]
    return [TokensRecipe(cache=recipe.cache_recipe(), split=split) for split in splits]


@task(name="train-model", **SHARD_TASK)
def train_model(
    work: ShardWork, recipe: TrainRecipe, execution: TrainExecution, aligned: Manifest, caches: dict[str, Manifest]
) -> str:
    """Train to the end, from the newest checkpoint in the store if there is one, and commit the adapter."""
    from opendlign_core.training.run import train

    target, started = work.open(), time.monotonic()
    kept = StoredCheckpoints(target.store, f"checkpoints/{target.folder}", execution.keep_checkpoints)
    with tempfile.TemporaryDirectory(prefix="opendlign-train-") as scratch, gpu_slot(execution.device):
        workdir = Path(scratch)
        kept.restore(workdir)
        source = training_source(target.store, recipe, aligned, caches, TRAIN_SPLIT)
        if source is None:
            raise ValueError(f"{aligned.folder} holds no object of the split {TRAIN_SPLIT!r} to train on")
        result = train(
            source,
            recipe,
            execution,
            workdir,
            validation=_validation(target.store, recipe, aligned, caches),
            fingerprint=target.identity.fingerprint,
            on_progress=_show,
            on_checkpoint=lambda path: kept.save(path, workdir),
        )
        files = {"adapter": result.adapter, "metrics": result.metrics, "curves": result.curves}
        target.commit_manifest(files=files, summary={"steps": result.steps, "validation": result.validation})
    note_seconds(target, "training", time.monotonic() - started, aligned.summary["splits"][TRAIN_SPLIT])
    kept.clear()
    return target.identity.fingerprint


def _show(progress: "TrainProgress") -> None:
    current_progress().reach(progress.step, progress.steps)


def _validation(
    store: Store, recipe: TrainRecipe, aligned: Manifest, caches: dict[str, Manifest]
) -> "Validation | None":
    """Held-out objects with their classes as text, where the data has a validation split."""
    from opendlign_core.training.validation import Validation

    if (
        not recipe.validate_every
        or (source := training_source(store, recipe, aligned, caches, VALIDATION_SPLIT)) is None
    ):
        return None
    import numpy as np

    with SampleReader(store, caches.get(VALIDATION_SPLIT, aligned)) as reader:
        labels = [sample.json()["label"] for sample in of_split(reader, VALIDATION_SPLIT)]
    names = tuple(sorted({label for label in labels if label}))
    if not names:
        return Validation(source)
    indices = np.array([names.index(label) if label else -1 for label in labels])
    return Validation(source, indices, _class_embeddings(recipe, names))


def _class_embeddings(recipe: TrainRecipe, names: tuple[str, ...]) -> Any:
    from opendlign_core.clip import load_clip
    from opendlign_core.evaluation import EvaluatedModel
    from opendlign_core.evaluation.model import text_classifier
    from opendlign_core.training import DepthAlignedCLIP

    clip = DepthAlignedCLIP(load_clip(recipe.clip))
    return text_classifier(EvaluatedModel.aligned(clip, recipe.clip, "text"), names, "depth")


def load_trained(store: Store, manifest: Manifest, device: str) -> "EvaluatedModel":
    """The model of a train output, ready to encode depth maps, images and texts."""
    from opendlign_core.evaluation import EvaluatedModel

    recipe = TrainRecipe.model_validate(manifest.recipe)
    with Fetcher(store) as fetcher:
        aligned = load_adapter(fetcher, manifest, device)
    return EvaluatedModel.aligned(aligned, recipe.clip, manifest.fingerprint)


def load_adapter(fetcher: Fetcher, manifest: Manifest, device: str) -> "DepthAlignedCLIP":
    """The CLIP and depth branch of a train output; imported outputs bring their own CLIP weights."""
    from opendlign_core.clip import choose_device
    from opendlign_core.training import load_aligned

    files = {
        stored.name: fetcher.path(manifest, stored) for stored in manifest.files if stored.name in ("adapter", "clip")
    }
    return load_aligned(files["adapter"], choose_device(device), files.get("clip"))
