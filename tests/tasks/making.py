"""Outputs made by stage objects alone: in this process, without an engine."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from opendlign_core.recipe import Execution, Recipe
from storage.output import ShardRange, StageOutput
from storage.records import Manifest
from storage.store import Store
from tasks.ports import Input, Inputs, Ref
from tasks.progress import Listener, StageProgress, tracking
from tasks.shards import StagePlan, building, finish
from tasks.stage import AnyStage, Job, ShardedStage, WholeStage

Given = Mapping[str, Manifest | Sequence[Input]]
"""What a stage reads, by port; a manifest stands for the one output of its port."""


@contextmanager
def at_work(
    stage: AnyStage,
    store: Store,
    recipe: Recipe,
    given: Given | None = None,
    execution: Execution | None = None,
    listener: Listener | None = None,
) -> Iterator[Job[Any, Any]]:
    """The job of making an output, for as long as what the stage opens stays open."""
    inputs = as_inputs(given or {})
    with stage.opened(recipe) as opened:
        refs = {
            port: [Ref(one.manifest.fingerprint, one.label, one.manifest.stage) for one in found]
            for port, found in inputs.items()
        }
        output = StageOutput(store, stage.identify(recipe, refs, opened))
        progress = StageProgress(stage.name, 0, stage.unit, listener=listener)
        yield Job(output, recipe, execution or stage.execution(), inputs, progress, opened)


def as_inputs(given: Given) -> Inputs:
    return {port: [Input(found)] if isinstance(found, Manifest) else found for port, found in given.items()}


def plan(stage: ShardedStage[Any, Any], job: Job[Any, Any]) -> StagePlan:
    return StagePlan.look(job.output, stage.shards(job.recipe, job.inputs, job.opened))


def build(stage: ShardedStage[Any, Any], job: Job[Any, Any], shards: Sequence[ShardRange] | None = None) -> None:
    """Build the missing shards, or those given."""
    todo = plan(stage, job).missing if shards is None else shards
    job.progress.total = sum(shard.stop - shard.start for shard in todo)
    with tracking(job.progress), stage.ready(job) as ready:
        for shard in todo:
            with building(job.output, shard, job.read) as builder:
                stage.build(job, ready, shard, builder)


def commit(stage: ShardedStage[Any, Any], job: Job[Any, Any]) -> Manifest:
    """The manifest over all shards of the plan."""
    shards = stage.shards(job.recipe, job.inputs, job.opened)
    with tempfile.TemporaryDirectory() as scratch:
        files = stage.files(job, job.output.records(shards), Path(scratch))
        share, inputs = job.execution.max_rejected_share, stage.inputs_in(shards)
        return finish(job.output, shards, max_rejected_share=share, inputs=inputs, files=files)


def make(
    stage: AnyStage,
    store: Store,
    recipe: Recipe,
    given: Given | None = None,
    execution: Execution | None = None,
    listener: Listener | None = None,
) -> Manifest:
    """The finished output of a recipe, with all that it needs on its way; what is there already is not made again."""
    with at_work(stage, store, recipe, given, execution, listener) as job:
        if found := job.output.manifest():
            return found
        if isinstance(stage, ShardedStage):
            build(stage, job)
            return commit(stage, job)
        return _make_whole(stage, job)


def _make_whole(stage: WholeStage[Any, Any], job: Job[Any, Any]) -> Manifest:
    job = replace(job, inputs={**job.inputs, **needed(stage, job)})
    with tempfile.TemporaryDirectory() as scratch:
        whole = stage.build(job, Path(scratch))
        manifest = job.output.commit_manifest(files=whole.files, summary=whole.summary, inputs=job.read)
    stage.committed(job)
    return manifest


def needed(stage: WholeStage[Any, Any], job: Job[Any, Any]) -> dict[str, list[Input]]:
    """What the stage makes for itself before it builds, as inputs by stage."""
    made: dict[str, list[Input]] = {}
    for need in stage.needs(job.recipe, job.inputs):
        found = make(need.stage, job.store, need.recipe, need.inputs, job.execution)
        made.setdefault(need.stage.name, []).append(Input(found, need.label))
    return made
