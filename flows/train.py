"""Train: aligned shards become a token cache, and the cache an adapter."""

from prefect import flow
from prefect.futures import PrefectFuture

from opendlign_core.training import TrainExecution, TrainRecipe
from storage.output import load_manifest
from storage.records import Manifest
from storage.stores import Store, open_store
from tasks import tokens
from tasks import train as stage
from tasks.artifacts import name_stage_run, progress_publisher
from tasks.progress import tracking
from tasks.report import publish_training
from tasks.running import ONE_AT_A_TIME, run_stage
from tasks.shards import ShardWork


@flow(name="train", task_runner=ONE_AT_A_TIME)
def train(
    store: str, aligned: str, recipe: TrainRecipe, execution: TrainExecution | None = None, preset: str = ""
) -> str:
    """Train the depth branch on an aligned output and return the model's fingerprint.

    Args:
        store: A folder or s3://bucket/prefix.
        aligned: Fingerprint of the synthesize output.
        recipe: CLIP, losses and schedule.
        execution: Device, memory and checkpoints.
        preset: Name shown in the run's name.
    """
    execution = execution or TrainExecution()
    opened = open_store(store)
    upstream = load_manifest(opened, "synthesize", aligned)
    output = stage.output(opened, recipe, aligned)
    name_stage_run(preset, output.identity)
    if output.manifest() is None:
        output.declare()
        caches = {
            wanted.split: _cache(opened, wanted, execution, upstream, preset)
            for wanted in stage.cached_splits(recipe, upstream)
        }
        work = ShardWork(store, output.identity, ())
        # Until here the run bore the name of the cache that it built.
        name_stage_run(preset, output.identity)
        with tracking(stage.STAGE, 0, "steps", progress_publisher(stage.STAGE)):
            for refresh in (False, True):
                if output.manifest() is None:
                    task = stage.train_model.with_options(refresh_cache=refresh)
                    task.submit(work, recipe, execution, upstream, caches).result()
    publish_training(opened, load_manifest(opened, stage.STAGE, output.identity.fingerprint))
    return output.identity.fingerprint


def _cache(
    store: Store, wanted: tokens.TokensRecipe, execution: TrainExecution, upstream: Manifest, preset: str
) -> Manifest:
    planned = tokens.plan(store, wanted, upstream)

    def submit(work: ShardWork, refresh: bool) -> PrefectFuture[list[int]]:
        return tokens.tokens_shard.with_options(refresh_cache=refresh).submit(work, wanted, execution, upstream)

    run_stage(planned, submit, lambda: tokens.commit(planned), preset=preset)
    return load_manifest(store, tokens.STAGE, planned.output.identity.fingerprint)
