"""Project: shards of clouds become shards of depth maps."""

from prefect import flow
from prefect.futures import PrefectFuture

from opendlign_core.projection import ProjectionExecution, ProjectionRecipe
from storage.output import load_manifest
from storage.stores import open_store
from tasks import project as stage
from tasks.artifacts import publish_table
from tasks.pictures import publish_depth
from tasks.running import ONE_COMPUTES, Part, run_stage
from tasks.shards import ShardWork, throughput_table


@flow(name="project", task_runner=ONE_COMPUTES)
def project(
    store: str,
    clouds: str,
    recipe: ProjectionRecipe,
    execution: ProjectionExecution | None = None,
    part: Part | None = None,
    preset: str = "",
) -> str:
    """Build the depth maps of an ingest output and return their fingerprint.

    Args:
        store: A folder or s3://bucket/prefix.
        clouds: Fingerprint of the ingest output.
        recipe: Views, grid and filters.
        execution: Device, batch size and threads.
        part: The share of the shards this run builds, where several workers share the stage.
        preset: Name shown in the run's name.
    """
    execution = execution or ProjectionExecution()
    opened = open_store(store)
    upstream = load_manifest(opened, "ingest", clouds)
    planned = stage.plan(opened, recipe, upstream)

    def submit(work: ShardWork, refresh: bool) -> PrefectFuture[list[int]]:
        return stage.project_shard.with_options(refresh_cache=refresh).submit(work, recipe, execution, upstream)

    manifest = run_stage(planned, submit, lambda: stage.commit(planned, execution), part=part, preset=preset)
    if manifest is not None:
        publish_table(stage.STAGE, "throughput", throughput_table(opened, manifest), "Depth maps and what they cost")
        publish_depth(opened, manifest)
    return planned.output.identity.fingerprint
