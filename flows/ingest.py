"""Ingest: a source of shapes becomes shards of clouds and a catalog."""

from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.utilities.annotations import quote

from opendlign_core.ingestion import IngestExecution, IngestRecipe
from storage.stores import open_store
from tasks import ingest as stage
from tasks.artifacts import publish_table
from tasks.listing import list_source, source_files
from tasks.pictures import publish_clouds
from tasks.running import ONE_AT_A_TIME, Part, run_stage
from tasks.shards import ShardWork


@flow(name="ingest", task_runner=ONE_AT_A_TIME)
def ingest(
    store: str,
    recipe: IngestRecipe,
    execution: IngestExecution | None = None,
    part: Part | None = None,
    preset: str = "",
) -> str:
    """Build the clouds of a source and return their fingerprint.

    Args:
        store: A folder or s3://bucket/prefix.
        recipe: Which source, and how many points an object has.
        execution: Worker processes and limits.
        part: The share of the shards this run builds, where several workers share the stage.
        preset: Name shown in the run's name.
    """
    execution = execution or IngestExecution()
    opened = open_store(store)
    with source_files(recipe) as files:
        listing = list_source(recipe, files)
        planned = stage.plan(opened, recipe, listing)
        # Quoted, or Prefect would look for futures inside every entry, again for each task run.
        given: tuple[Any, Any] = quote(listing.entries), quote(files)

        def submit(work: ShardWork, refresh: bool) -> PrefectFuture[list[int]]:
            task = stage.ingest_shard.with_options(refresh_cache=refresh)
            return task.submit(work, recipe, execution, *given)

        manifest = run_stage(planned, submit, lambda: stage.commit(planned, execution), part=part, preset=preset)
    if manifest is not None:
        publish_table(stage.STAGE, "counts", stage.counts_table(manifest), "Objects per split and label")
        publish_clouds(opened, manifest)
    return planned.output.identity.fingerprint
