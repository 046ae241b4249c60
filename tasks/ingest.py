"""Ingest: the objects of a source as shards of clouds, with a catalog of all of them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opendlign_core.ingestion import STAGE_VERSION, IngestExecution, IngestRecipe, ObjectEntry
from opendlign_core.samples import CADS, CadMesh, Cloud, CloudMeta, Scene, encode_cads
from storage.fetch import Fetcher
from storage.output import ShardRange, plan_shards
from storage.records import Manifest, ShardRecord, StoredFile
from storage.store import Store
from tasks.catalog import CATALOG
from tasks.listing import SourceListing, WatchedFiles, changed_files, list_source, source_files, watching
from tasks.pictures import show_clouds, show_photos, show_scenes
from tasks.ports import Inputs
from tasks.shards import ShardBuilder
from tasks.showcase import Showcase
from tasks.stage import Job, ShardedStage, Views

if TYPE_CHECKING:
    from opendlign_core.ingestion import IngestedObject, IngestedPhotos

_log = logging.getLogger(__name__)

NOTABLE = 0.01
"""From here on the share of its extent that an object loses is worth a word."""


@dataclass(frozen=True)
class OpenSource:
    """What a source lists, and its files while they are open; generated data has none."""

    listing: SourceListing
    files: WatchedFiles | None

    @property
    def digest(self) -> str:
        return self.listing.digest


class Ingest(ShardedStage[IngestRecipe, IngestExecution]):
    name = "ingest"
    noun = "ingestion"
    version = STAGE_VERSION
    recipe = IngestRecipe
    execution = IngestExecution
    about = "Read the shapes of a source into shards of clouds."
    shared = True
    per_source = True
    shows = ("counts", "clouds")

    def fingerprinted(self, recipe: IngestRecipe) -> IngestRecipe:
        """What a source lists matters, where it lies does not."""
        return recipe.model_copy(update={"source": recipe.source.model_copy(update={"url": ""})})

    def bytes_each(self, recipe: IngestRecipe, views: Views) -> int:
        """Coordinates, which do not pack well, and colours."""
        return 15 * recipe.points

    def listed(self, recipe: IngestRecipe) -> SourceListing:
        return list_source(recipe)

    @contextmanager
    def opened(self, recipe: IngestRecipe, origin: SourceListing | None = None) -> Iterator[OpenSource]:
        with source_files(recipe) as files:
            listing = origin or list_source(recipe, files)
            with watching(files, listing) as watched:
                yield OpenSource(listing, watched)

    def shards(self, recipe: IngestRecipe, inputs: Inputs, origin: Any) -> Sequence[ShardRange]:
        listing = origin.listing if isinstance(origin, OpenSource) else origin
        return plan_shards(len(listing.entries), recipe.shard_size)

    def build(
        self, job: Job[IngestRecipe, IngestExecution], ready: None, shard: ShardRange, builder: ShardBuilder
    ) -> None:
        """Parse the entries of a shard in worker processes; each is a row of the catalog, rejected or not."""
        from opendlign_core.ingestion import IngestedPhotos, IngestedScene, RejectedObject, ingest_entries

        source: OpenSource = job.opened
        rows, shrunk, cads = [], dict[str, float](), dict[str, CadMesh]()
        entries = source.listing.entries[shard.start : shard.stop]
        for outcome in ingest_entries(entries, job.recipe, job.execution, source.files):
            row = _catalog_row(outcome.entry)
            if isinstance(outcome, RejectedObject):
                builder.reject(outcome.entry.object_id, outcome.reason)
                rows.append({**row, "rejected": outcome.reason})
                job.progress.advance(rejected=1)
                continue
            if isinstance(outcome, IngestedPhotos):
                rows += _add_photos(builder, outcome, row)
                cads |= {cad.digest: cad for cad in outcome.cads}
                job.progress.advance(rejected=len(outcome.rejected))
                continue
            if isinstance(outcome, IngestedScene):
                row |= _add_scene(builder, outcome.scene)
            else:
                row |= {name: getattr(outcome, field) for name, field in _READ.items()}
                meta = CloudMeta.model_validate({**row, **_said(outcome, job.recipe)})
                builder.add(Cloud(meta, outcome.points, outcome.colors, parts=outcome.parts))
                shrunk[outcome.entry.object_id] = outcome.shrinkage or 0.0
            rows.append(row)
            job.progress.advance()
        _warn_of_shrinking(shrunk)
        builder.attachments["catalog"] = CATALOG.write(rows, builder.folder / "catalog.parquet")
        if cads:
            builder.attachments[CADS] = builder.folder / "cads.npz"
            builder.attachments[CADS].write_bytes(encode_cads(cads))
        if source.files is not None:
            builder.attachments |= source.files.attachments(entries, builder.folder)

    def files(
        self, job: Job[IngestRecipe, IngestExecution], records: Sequence[ShardRecord], folder: Path
    ) -> Mapping[str, Path]:
        """The catalog of all shards together."""
        with Fetcher(job.store, keep=len(records) + 1) as fetcher:
            parts = [fetcher.path(job.output.identity, _catalog_of(record)) for record in records]
            return {"catalog": CATALOG.join(parts, folder / "catalog.parquet")}

    def changed_since(self, store: Store, recipe: IngestRecipe, manifest: Manifest) -> Sequence[str]:
        with Fetcher(store) as fetcher:
            return changed_files(recipe, fetcher, manifest)

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        ui.table("counts", counts_table(manifest), "Objects per split and label")
        shows = {"scenes": show_scenes, "photos": show_photos, "clouds": show_clouds}
        shows[held_by(manifest.recipe["source"]["adapter"])](store, manifest, ui)


INGEST = Ingest()


def held_by(adapter: str) -> Literal["clouds", "scenes", "photos"]:
    """What ingestion makes of the objects that an adapter lists; raises `BadInput` for one that is unknown."""
    from opendlign_core.ingestion.adapters import adapter_named

    return adapter_named(adapter).holds


def _catalog_of(record: ShardRecord) -> StoredFile:
    return next(stored for stored in record.attachments if stored.name == "catalog")


_READ = {"points": "source_points", "padded": "padded", "digest": "digest", "up_axis": "up_axis", "unit": "unit"}
"""What the catalog says of an object that was read, by the names of its columns."""


def _add_scene(builder: ShardBuilder, scene: Scene) -> dict[str, Any]:
    """Add a scene and count its things; returns what the catalog says of it."""
    builder.add(scene)
    for thing in scene.meta.things:
        builder.count("things", thing)
    if scene.meta.points > len(scene.points):
        _log.warning("%s", _left_out(scene))
    meta = scene.meta
    return {"points": meta.points, "padded": False, "digest": meta.digest, "up_axis": meta.up_axis, "unit": meta.unit}


def _add_photos(builder: ShardBuilder, found: "IngestedPhotos", row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Add the objects of a photo and reject its broken ones; returns the rows of the catalog, one for each."""
    rows = []
    for photo in found.photos:
        builder.add(photo)
        builder.count("statuses", photo.meta.status)
        rows.append({**row, "object_id": photo.meta.object_id, "digest": photo.meta.digest})
    for one in found.rejected:
        builder.reject(one.object_id, one.reason)
        rows.append({**row, "object_id": one.object_id, "rejected": one.reason})
    if found.unwanted:
        builder.count("left out", "by annotators", found.unwanted)
    return rows


def _left_out(scene: Scene) -> str:
    """What reducing a scene cost, in a sentence."""
    meta = scene.meta
    how = f"one of each cube of {meta.cubes:g} {meta.unit}" if meta.cubes else "points drawn at random"
    return (
        f"{meta.object_id} has {meta.points:,} points: {how} is kept, {len(scene.points):,} in all; "
        "ingest.scene.most_points allows more"
    )


def _said(outcome: "IngestedObject", recipe: IngestRecipe) -> dict[str, Any]:
    """What a sample says beyond its row of the catalog; what recipes do not ask for is left out, as it always was."""
    said: dict[str, Any] = {"part_names": outcome.part_names, "thinned": outcome.thinned}
    said = {name: value for name, value in said.items() if value}
    if recipe.sampling == "stratified" and outcome.shrinkage is not None:
        said["shrinkage"] = round(outcome.shrinkage, 4)
    return said


def _warn_of_shrinking(shrunk: Mapping[str, float]) -> None:
    """Say what sampling by chance cost; `shrunk` is the share of its extent that each object lost."""
    lost = {name: share for name, share in shrunk.items() if share > NOTABLE}
    if lost:
        worst = max(lost, key=lambda name: lost[name])
        _log.warning(
            "%d of %d objects lost over %.0f %% of their extent to sampling, most of all %s (%.1f %%): "
            "ingest.sampling=stratified keeps it",
            len(lost), len(shrunk), 100 * NOTABLE, worst, 100 * lost[worst],
        )  # fmt: skip


def _catalog_row(entry: ObjectEntry) -> dict[str, Any]:
    kept = entry.model_dump(include={"object_id", "source", "split", "label", "caption", "licence", "unit", "up_axis"})
    return {**kept, "uri": entry.uri if entry.member is None else f"{entry.uri}#{entry.member}"}


def counts_table(manifest: Manifest) -> list[dict[str, Any]]:
    """Accepted objects per split and per label, most first, as rows for a table artifact."""
    rows = []
    for kind, title in (
        ("splits", "split"),
        ("labels", "label"),
        ("things", "thing"),
        ("statuses", "status"),
        ("left out", "left out"),
    ):
        counted: Mapping[str, int] = manifest.summary.get(kind, {})
        ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        rows += [{"by": title, "value": value or "(none)", "objects": count} for value, count in ranked]
    return [*rows, {"by": "rejected", "value": "all", "objects": manifest.rejected}]
