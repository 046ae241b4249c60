"""Ingest: the objects of a source as shards of clouds, with a catalog of all of them."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import task

from opendlign_core.ingestion import STAGE_VERSION, IngestExecution, IngestRecipe, ObjectEntry
from storage.fetch import Fetcher
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.shards import encode_array, sample_key
from storage.stores import Store
from tasks.catalog import CATALOG
from tasks.files import StoreFiles
from tasks.listing import SourceListing
from tasks.policy import SHARD_TASK
from tasks.progress import current_progress
from tasks.shards import ShardBuilder, ShardWork, StagePlan, building, finish

STAGE = "ingest"


def identify(recipe: IngestRecipe, listing: SourceListing) -> StageIdentity:
    """Clouds are what the recipe makes of these entries; what the source lists matters, where it lies does not."""
    placeless = recipe.model_copy(update={"source": recipe.source.model_copy(update={"url": ""})})
    return StageIdentity.of(STAGE, STAGE_VERSION, placeless, {"source": listing.digest})


def plan(store: Store, recipe: IngestRecipe, listing: SourceListing) -> StagePlan:
    output = StageOutput(store, identify(recipe, listing))
    return StagePlan.look(output, plan_shards(len(listing.entries), recipe.shard_size))


@task(name="ingest-shard", **SHARD_TASK)
def ingest_shard(
    work: ShardWork,
    recipe: IngestRecipe,
    execution: IngestExecution,
    entries: Sequence[ObjectEntry],
    files: StoreFiles | None,
) -> list[int]:
    """Parse the entries of each shard in worker processes and commit their clouds."""
    output = work.open()
    for shard in work.shards:
        with building(output, shard) as builder:
            _build(builder, recipe, execution, entries[shard.start : shard.stop], files)
    return [shard.index for shard in work.shards]


def _build(
    builder: ShardBuilder,
    recipe: IngestRecipe,
    execution: IngestExecution,
    entries: Sequence[ObjectEntry],
    files: StoreFiles | None,
) -> None:
    from opendlign_core.ingestion import RejectedObject, ingest_entries

    rows = []
    for outcome in ingest_entries(entries, recipe, execution, files):
        row = _catalog_row(outcome.entry)
        if isinstance(outcome, RejectedObject):
            builder.reject(outcome.entry.object_id, outcome.reason)
            rows.append({**row, "rejected": outcome.reason})
            current_progress().advance(rejected=1)
            continue
        row |= {
            "points": outcome.source_points,
            "padded": outcome.padded,
            "digest": outcome.digest,
            "up_axis": outcome.up_axis,
            "unit": outcome.unit,
        }
        fields = {"points.npy": encode_array(outcome.points)}
        if outcome.colors is not None:
            fields["colors.npy"] = encode_array(outcome.colors)
        builder.add(sample_key(outcome.entry.object_id), fields, row)
        rows.append(row)
        current_progress().advance()
    builder.attachments["catalog"] = CATALOG.write(rows, builder.folder / "catalog.parquet")


def _catalog_row(entry: ObjectEntry) -> dict[str, Any]:
    kept = entry.model_dump(include={"object_id", "source", "split", "label", "caption", "licence", "unit", "up_axis"})
    return {**kept, "uri": entry.uri if entry.member is None else f"{entry.uri}#{entry.member}"}


def commit(planned: StagePlan, execution: IngestExecution) -> Manifest:
    """Join the shards' catalogs and declare the output finished."""
    output, records = planned.output, planned.output.records(planned.shards)
    with (
        tempfile.TemporaryDirectory(prefix="opendlign-catalog-") as scratch,
        Fetcher(output.store, keep=len(records) + 1) as fetcher,
    ):
        parts = [fetcher.path(output.identity, record.attachments[0]) for record in records]
        catalog = CATALOG.join(parts, Path(scratch) / "catalog.parquet")
        share = execution.max_rejected_share
        return finish(output, planned.shards, max_rejected_share=share, files={"catalog": catalog})


def counts_table(manifest: Manifest) -> list[dict[str, Any]]:
    """Accepted objects per split and per label, most first, as rows for a table artifact."""
    rows = []
    for kind, title in (("splits", "split"), ("labels", "label")):
        counted: Mapping[str, int] = manifest.summary.get(kind, {})
        ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        rows += [{"by": title, "value": value or "(none)", "objects": count} for value, count in ranked]
    return [*rows, {"by": "rejected", "value": "all", "objects": manifest.rejected}]
