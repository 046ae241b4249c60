"""Running stages without an engine."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.output import StageOutput
from storage.records import Manifest
from storage.stores import Store
from tasks.ports import Input, Inputs, Ref, Refs
from tasks.progress import StageProgress
from tasks.shards import StagePlan, building, finish
from tasks.stage import Job, ShardedStage, WholeStage


def build_output(
    stage: ShardedStage[Any, Any],
    store: Store,
    recipe: Any,
    execution: Any,
    inputs: Inputs | None = None,
    before: Callable[[], None] = lambda: None,
    progress: StageProgress | None = None,
) -> Manifest:
    """Build what an output lacks and commit it; `before` is called between the plan and the first shard."""
    inputs = inputs or {}
    refs = refs_of(inputs)
    with stage.opened(recipe) as opened, tempfile.TemporaryDirectory() as scratch:
        output = StageOutput(store, stage.identify(recipe, refs, opened))
        planned = StagePlan.look(output, stage.shards(recipe, inputs, opened))
        job = Job(output, recipe, execution, inputs, progress or StageProgress(stage.name, 0), opened)
        before()
        with stage.ready(job) as ready:
            for shard in planned.missing:
                with building(output, shard) as builder:
                    stage.build(job, ready, shard, builder)
        files = stage.files(job, output.records(planned.shards), Path(scratch))
        return finish(output, planned.shards, max_rejected_share=execution.max_rejected_share, files=files)


def whole_job(
    stage: WholeStage[Any, Any],
    store: Store,
    recipe: Any,
    execution: Any,
    inputs: Inputs,
    progress: StageProgress | None = None,
) -> Job[Any, Any]:
    """A stage that is built in one piece, before its first step: what it needs for itself is there."""
    made: dict[str, list[Input]] = {}
    for need in stage.needs(recipe, inputs):
        found = build_output(need.stage, store, need.recipe, execution, need.inputs)
        made.setdefault(need.stage.name, []).append(Input(found, need.label))
    output = StageOutput(store, stage.identify(recipe, refs_of(inputs)))
    return Job(output, recipe, execution, {**inputs, **made}, progress or StageProgress(stage.name, 0))


def build_whole(stage: WholeStage[Any, Any], job: Job[Any, Any]) -> Manifest:
    """Build it and commit it."""
    job.output.declare()
    with tempfile.TemporaryDirectory() as scratch:
        whole = stage.build(job, Path(scratch))
        manifest = job.output.commit_manifest(files=whole.files, summary=whole.summary)
    stage.committed(job)
    return manifest


def refs_of(inputs: Inputs) -> Refs:
    return {port: [Ref(given.manifest.fingerprint, given.label) for given in read] for port, read in inputs.items()}
