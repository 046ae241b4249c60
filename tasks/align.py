"""Align: photos with poses become photos with the depth of their CADs, to train on as on painted pairs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import IngestRecipe
from opendlign_core.projection.layers.recipe import STAGE_VERSION, AlignExecution, AlignRecipe
from opendlign_core.samples import CadMesh, Painted, PosedPhoto, Rejected
from storage.output import ShardRange
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.ingest import held_by
from tasks.pictures import shard_cads, show_pairs
from tasks.ports import Port
from tasks.shards import ShardBuilder, throughput_table
from tasks.showcase import Showcase
from tasks.stage import Job, ShardedStage, Views

AlignJob = Job[AlignRecipe, AlignExecution]


@dataclass(frozen=True)
class Ready:
    """What the shards of a unit of work share."""

    photos: SampleReader
    cads: Mapping[str, CadMesh]


class Align(ShardedStage[AlignRecipe, AlignExecution]):
    name = "align"
    noun = "alignment"
    version = STAGE_VERSION
    recipe = AlignRecipe
    execution = AlignExecution
    about = "Pair photos with the depth of their CADs at their poses."
    reads = (Port("photos", "ingest", "Fingerprint of the ingest output of a source of photos with CADs."),)
    shared = True
    per_source = True
    shows = ("throughput", "pairs")
    unit = "photos"

    def misfit(self, recipe: AlignRecipe, made_from: Mapping[str, Sequence[Any]]) -> str:
        for one in made_from.get("photos", ()):
            if isinstance(one, IngestRecipe) and held_by(one.source.adapter) != "photos":
                return f"the source {one.source.adapter} holds no photos with poses, which align pairs with their CADs"
        return ""

    def bytes_each(self, recipe: AlignRecipe, views: Views) -> int:
        """A map of less than a byte a pixel and a picture of a fifth."""
        return recipe.size**2

    @contextmanager
    def ready(self, job: AlignJob) -> Iterator[Ready]:
        photos = job.manifest("photos")
        with SampleReader(job.store, photos) as reader:
            yield Ready(reader, shard_cads(job.store, photos))

    def build(self, job: AlignJob, ready: Ready, shard: ShardRange, builder: ShardBuilder) -> None:
        """Pair the photos of a shard on all cores; one that cannot be paired is a row with its reason."""
        from opendlign_core.projection.cores import on_all_cores

        photos = (PosedPhoto.read(sample.key, sample.fields) for sample in ready.photos.read(shard.start, shard.stop))
        for outcome in on_all_cores(partial(_paired, ready.cads, job.recipe), photos):
            if isinstance(outcome, Rejected):
                builder.reject(outcome.object_id, outcome.reason)
                job.progress.advance(rejected=1)
            else:
                builder.add(outcome)
                job.progress.advance()

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        ui.table("throughput", throughput_table(store, manifest), "Photos with depth and what they cost")
        show_pairs(store, manifest, ui)


ALIGN = Align()


def _paired(cads: Mapping[str, CadMesh], recipe: AlignRecipe, photo: PosedPhoto) -> Painted | Rejected:
    from opendlign_core.projection.layers import aligned_photo

    meta = photo.meta
    try:
        if meta.status not in recipe.statuses:
            raise BadInput(f"is {meta.status or 'of no known status'}, which the recipe leaves out")
        if meta.cad is None or meta.angles_only:
            raise BadInput("has no CAD" if meta.cad is None else "has angles alone: where it is seen is not known")
        cad = cads[meta.cad.digest]
        return aligned_photo(photo, cad.vertices, cad.faces, recipe)
    except BadInput as error:
        return Rejected(meta.object_id, str(error))
