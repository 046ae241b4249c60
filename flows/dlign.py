"""Dlign: the depth-aligned images of a synthesize output become CLIP embeddings for point-encoder projects."""

from prefect import flow
from prefect.futures import PrefectFuture

from opendlign_core.training import DlignRecipe, TrainExecution
from storage.output import load_manifest
from storage.stores import open_store
from tasks import dlign as stage
from tasks.artifacts import publish_table
from tasks.running import ONE_AT_A_TIME, Part, run_stage
from tasks.shards import ShardWork, throughput_table


@flow(name="dlign", task_runner=ONE_AT_A_TIME)
def dlign(
    store: str,
    aligned: str,
    recipe: DlignRecipe,
    execution: TrainExecution | None = None,
    part: Part | None = None,
    preset: str = "",
) -> str:
    """Embed the painted images of a synthesize output and return the fingerprint of the embeddings.

    Args:
        store: A folder or s3://bucket/prefix.
        aligned: Fingerprint of the synthesize output.
        recipe: The CLIP that embeds the images.
        execution: Device and objects per forward pass.
        part: The share of the shards this run builds, where several workers share the stage.
        preset: Name shown in the run's name.
    """
    execution = execution or TrainExecution()
    opened = open_store(store)
    upstream = load_manifest(opened, "synthesize", aligned)
    planned = stage.plan(opened, recipe, upstream)

    def submit(work: ShardWork, refresh: bool) -> PrefectFuture[list[int]]:
        return stage.dlign_shard.with_options(refresh_cache=refresh).submit(work, recipe, execution, upstream)

    manifest = run_stage(planned, submit, lambda: stage.commit(planned), part=part, preset=preset)
    if manifest is not None:
        publish_table(stage.STAGE, "throughput", throughput_table(opened, manifest), "Embedded objects and their cost")
    return planned.output.identity.fingerprint
