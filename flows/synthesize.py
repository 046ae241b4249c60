"""Synthesize: shards of depth maps become shards of depth-aligned images."""

from prefect import flow
from prefect.futures import PrefectFuture

from opendlign_core.synthesis import SynthesisExecution, SynthesisRecipe
from storage.output import load_manifest
from storage.stores import open_store
from tasks import synthesize as stage
from tasks.artifacts import publish_table
from tasks.pictures import publish_pairs
from tasks.running import ONE_COMPUTES, Part, run_stage
from tasks.shards import ShardWork, throughput_table


@flow(name="synthesize", task_runner=ONE_COMPUTES)
def synthesize(
    store: str,
    depths: str,
    recipe: SynthesisRecipe,
    execution: SynthesisExecution | None = None,
    part: Part | None = None,
    preset: str = "",
) -> str:
    """Paint the depth maps of a project output and return the fingerprint of the aligned shards.

    Args:
        store: A folder or s3://bucket/prefix.
        depths: Fingerprint of the project output.
        recipe: Painter, prompts, quality gate and shard size.
        execution: Device, batch size and threads.
        part: The share of the shards this run builds, where several workers share the stage.
        preset: Name shown in the run's name.
    """
    execution = execution or SynthesisExecution()
    opened = open_store(store)
    upstream = load_manifest(opened, "project", depths)
    planned = stage.plan(opened, recipe, upstream)
    share = part or Part()
    if ahead := planned.part(share.index, share.count):
        stage.announce_cost(planned.output, ahead, recipe, execution, upstream)

    def submit(work: ShardWork, refresh: bool) -> PrefectFuture[list[int]]:
        return stage.synthesize_shard.with_options(refresh_cache=refresh).submit(work, recipe, execution, upstream)

    manifest = run_stage(planned, submit, lambda: stage.commit(planned, execution), part=part, preset=preset)
    if manifest is not None:
        publish_table(stage.STAGE, "throughput", throughput_table(opened, manifest), "Aligned objects and their cost")
        publish_pairs(opened, manifest)
    return planned.output.identity.fingerprint
