"""Evaluate: a trained model becomes a table, a report and a verdict."""

from prefect import flow

from opendlign_core.evaluation import EvalExecution, EvalRecipe
from storage.output import load_manifest
from storage.stores import open_store
from tasks import evaluate as stage
from tasks.artifacts import name_stage_run, progress_publisher
from tasks.guard import check_regression
from tasks.progress import tracking
from tasks.report import publish_results
from tasks.running import ONE_AT_A_TIME
from tasks.shards import ShardWork


@flow(name="evaluate", task_runner=ONE_AT_A_TIME)
def evaluate(
    store: str,
    inputs: stage.Inputs,
    recipe: EvalRecipe,
    execution: EvalExecution | None = None,
    preset: str = "",
    allowed_drop: float = 0.02,
) -> str:
    """Judge a trained model and return the fingerprint of the results.

    Args:
        store: A folder or s3://bucket/prefix.
        inputs: Fingerprints of the model and of the outputs it is judged on.
        recipe: Data sets, tasks and methods.
        execution: Device and batch sizes.
        preset: Name shown in the run's name; results of the same name are compared with each other.
        allowed_drop: How far top-1 may fall below the last accepted result before the run fails.
    """
    opened = open_store(store)
    output = stage.output(opened, recipe, inputs)
    identity = output.identity
    name_stage_run(preset, identity)
    if output.manifest() is None:
        output.declare()
        work = ShardWork(store, identity, ())
        with tracking(stage.STAGE, 0, publish=progress_publisher(stage.STAGE)):
            for refresh in (False, True):
                if output.manifest() is None:
                    task = stage.evaluate_model.with_options(refresh_cache=refresh)
                    task.submit(work, recipe, execution or EvalExecution(), inputs).result()
    manifest = load_manifest(opened, stage.STAGE, identity.fingerprint)
    results = publish_results(opened, manifest)
    check_regression(opened, preset or "results", identity.fingerprint, results, allowed_drop)
    return identity.fingerprint
