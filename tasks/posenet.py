"""Posenet: photos with poses become a network that tells them; a crash costs at most one epoch, on any machine."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import IngestRecipe
from opendlign_core.samples import PosedPhoto
from opendlign_core.training.pose.recipe import STAGE_VERSION, PosenetExecution, PosenetRecipe
from storage.fetch import Fetcher
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.checkpoints import KEPT, StoredCheckpoints
from tasks.ports import Port
from tasks.requirements import Requirement, device
from tasks.showcase import Showcase
from tasks.stage import Job, Whole, WholeStage
from tasks.training_data import MOST_OF_MEMORY, free_memory

if TYPE_CHECKING:
    from opendlign_core.loop import InMemory
    from opendlign_core.training.pose.learner import Photos
    from opendlign_core.training.pose.network import TrainedPosenet

TRAIN_SPLIT = "train"
PosenetJob = Job[PosenetRecipe, PosenetExecution]


class Posenet(WholeStage[PosenetRecipe, PosenetExecution]):
    name = "posenet"
    noun = "pose network"
    version = STAGE_VERSION
    recipe = PosenetRecipe
    execution = PosenetExecution
    about = "Train a network that tells the pose of things in photos."
    reads = (Port("photos", "ingest", "Fingerprint of the ingest output of a source of photos with poses."),)
    pool = "gpu"
    shows = ("curves",)
    beside = (KEPT,)
    unit = "steps"

    def label(self, given: Mapping[str, Any]) -> str:
        return str(given.get("network", PosenetRecipe().network))

    def requires(self, recipe: PosenetRecipe, execution: PosenetExecution) -> Iterable[Requirement]:
        return device(execution.device)

    def misfit(self, recipe: PosenetRecipe, made_from: Mapping[str, Sequence[Any]]) -> str:
        from opendlign_core.ingestion.adapters import adapter_named

        for one in made_from.get("photos", ()):
            if isinstance(one, IngestRecipe) and adapter_named(one.source.adapter).holds != "photos":
                return f"the source {one.source.adapter} holds no photos with poses, from which posenet learns"
        return ""

    def lacks(self, recipe: PosenetRecipe, there: Collection[tuple[str, str]]) -> str:
        """Photos to learn from."""
        if any(split == TRAIN_SPLIT for _, split in there):
            return ""
        return f"nothing to learn poses from: no photo is in the split {TRAIN_SPLIT}"

    def build(self, job: PosenetJob, folder: Path) -> Whole:
        """Train to the end, from the newest checkpoint in the store if there is one.

        Raises:
            BadInput: no photo may be learnt from, or the photos do not fit into memory.
        """
        from opendlign_core.training.pose.run import train_pose

        photos, categories = photos_to_learn(job)
        kept = StoredCheckpoints.of(job.output, keep=1)
        kept.restore(folder)
        result = train_pose(
            photos,
            job.recipe,
            folder,
            categories=len(categories),
            device=job.execution.device,
            fingerprint=job.output.identity.fingerprint,
            on_progress=lambda progress: job.progress.reach(progress.step, progress.steps),
            on_checkpoint=lambda path: kept.save(path, folder),
        ).loop
        files = {"weights": result.weights, "metrics": result.metrics, "curves": result.curves}
        count = sum(photos.sizes)
        return Whole(files, count, {"steps": result.steps, "categories": list(categories)})

    def committed(self, job: PosenetJob) -> None:
        StoredCheckpoints.of(job.output, keep=1).clear()

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        with Fetcher(store) as fetcher:
            curves = fetcher.path(manifest, manifest.file("curves")).read_bytes()
        ui.picture("curves", curves, "Loss over training steps")


POSENET = Posenet()


def photos_to_learn(job: PosenetJob) -> "tuple[InMemory[Photos], tuple[str, ...]]":
    """The photos of the train split at the size of the network, and the names of their categories in order."""
    import numpy as np
    import torch

    from opendlign_core.loop import InMemory
    from opendlign_core.training.pose.learner import Photos, learnt_from

    _require_memory(job)
    found = [learnt_from(photo, job.recipe.image_size) for photo in _photos(job)]
    if not found:
        raise BadInput("no photo to learn poses from: none of the train split is of a known category")
    pixels, angles, labels = zip(*found, strict=True)
    categories = tuple(sorted(set(labels)))
    numbers = torch.tensor([categories.index(label) for label in labels])
    stacked = torch.from_numpy(np.stack(angles).astype(np.float32))
    return InMemory(Photos(torch.stack(pixels), stacked, numbers)), categories


def _photos(job: PosenetJob) -> Iterator[PosedPhoto]:
    known = job.recipe.known
    with SampleReader(job.store, job.manifest("photos")) as reader:
        for sample in reader:
            photo = PosedPhoto.read(sample.key, sample.fields)
            if photo.meta.split == TRAIN_SPLIT and (not known or photo.meta.label in known):
                yield photo


def _require_memory(job: PosenetJob) -> None:
    """Photos are held whole, so that an epoch does not decode them all again."""
    count = job.manifest("photos").summary.get("splits", {}).get(TRAIN_SPLIT, 0)
    needed, free = count * 3 * job.recipe.image_size**2, free_memory()
    if needed > MOST_OF_MEMORY * free:
        raise BadInput(
            f"{count:,} photos of {job.recipe.image_size} pixels take {needed / 2**30:.1f} GiB, of which "
            f"{free / 2**30:.1f} GiB are free; lower posenet.image_size, or take a larger machine"
        )


def load_posenet(store: Store, manifest: Manifest, device: str) -> "TrainedPosenet":
    """The network of a posenet output, ready to tell poses."""
    from opendlign_core.training.pose.network import load_network

    recipe = PosenetRecipe.model_validate(manifest.recipe)
    with Fetcher(store) as fetcher:
        weights = fetcher.path(manifest, manifest.file("weights"))
        return load_network(recipe, tuple(manifest.summary["categories"]), weights, device)
