"""Running a stage inside a flow: build what is missing, look again, declare the output finished, show it."""

import logging
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prefect import task
from prefect.futures import PrefectFuture
from prefect.utilities.annotations import quote
from pydantic import Field

from opendlign_core.evaluation.given import NamedFiles
from opendlign_core.memory import keep_freed_memory
from opendlign_core.recipe import Execution, Recipe
from storage.collect import delete_all
from storage.errors import StoreFull, StoreUnavailable
from storage.inputs import changed_inputs
from storage.output import ShardRange, StageOutput, load_manifest
from storage.records import Manifest
from storage.store import Store
from storage.stores import open_store
from tasks.artifacts import Artifacts, name_stage_run
from tasks.errors import ShardsFailed
from tasks.policy import SHARD_TASK
from tasks.ports import Input, Inputs, Ref, Refs
from tasks.progress import Listener, StageProgress, tracking
from tasks.shards import StagePlan, finish, note_seconds, split_work
from tasks.slots import computing, gpu_slot
from tasks.stage import AnyStage, Job, Need, ShardedStage, WholeStage

log = logging.getLogger(__name__)

# Set in the process of a run that somebody asked for through the API, who may not read the worker's files.
if "PREFECT__FLOW_RUN_ID" in os.environ:
    NamedFiles.refuse()

# Units of work that wait in Prefect's queue; enough to keep the runners busy.
SUBMITTED_AHEAD = 4

Submit = Callable[[Job[Any, Any], Sequence[ShardRange]], PrefectFuture[Any]]


class Part(Recipe):
    """The share of a stage that one of several workers takes."""

    index: int = Field(default=0, ge=0, description="which share, counted from 0")
    count: int = Field(default=1, ge=1, description="how many shares there are")


@dataclass(frozen=True)
class Order:
    """What a run of a stage is asked for."""

    stage: AnyStage
    store: str
    recipe: Any
    refs: Refs
    execution: Any
    part: Part = field(default_factory=Part)
    preset: str = ""
    listener: Listener | None = None
    origin: Any = None
    """What the stage reads from outside the store, where it was listed already."""


def run_stage(order: Order) -> str:
    """Bring an output up to date and return its fingerprint; another part of a shared stage may be unfinished then."""
    keep_freed_memory()
    stage, store = order.stage, open_store(order.store)
    with stage.opened(order.recipe, order.origin) as opened:
        output = StageOutput(store, stage.identify(order.recipe, order.refs, opened))
        name_stage_run(order.preset, output.identity)
        manifest = output.manifest()
        if manifest is not None:
            log.info("%s is finished: nothing to do", output.folder)
        else:
            job = _job(order, output, load_inputs(stage, store, order.refs), opened)
            manifest = _build(stage, job, order)
    if manifest is not None:
        stage.show(store, manifest, Artifacts(stage.name))
        stage.accept(store, manifest, order.execution, order.preset or "results")
    return output.identity.fingerprint


def load_inputs(stage: AnyStage, store: Store, refs: Refs) -> Inputs:
    """The manifests of what a stage reads; raises `MissingOutput` for one that is not finished."""
    return {
        port.name: [
            Input(load_manifest(store, port.maker(ref), ref.fingerprint), ref.label) for ref in refs[port.name]
        ]
        for port in stage.reads
        if refs.get(port.name)
    }


def _job(order: Order, output: StageOutput, inputs: Inputs, opened: Any, title: str = "") -> Job[Any, Any]:
    name = order.stage.name
    progress = StageProgress(title or name, 0, order.stage.unit, Artifacts(name).progress(), order.listener)
    return Job(output, order.recipe, order.execution, inputs, progress, opened)


def _build(stage: AnyStage, job: Job[Any, Any], order: Order) -> Manifest | None:
    # Said before the first shard lands, so that nobody collects what this output reads.
    job.output.declare()
    if isinstance(stage, WholeStage):
        return _build_whole(stage, job, order)
    planned = StagePlan.look(job.output, stage.shards(job.recipe, job.inputs, job.opened))
    return _build_shards(stage, job, planned, order.part)


def _build_shards(
    stage: ShardedStage[Any, Any], job: Job[Any, Any], planned: StagePlan, part: Part
) -> Manifest | None:
    """Build the missing shards of this part and commit the manifest; None while another part is unfinished."""
    todo = planned.part(part.index, part.count)
    log.info("%s: %d of %d shards to build", job.output.folder, len(todo), len(planned.shards))
    if todo:
        with gpu_slot(device_of(job.execution)):
            stage.announce(job, todo, Artifacts(stage.name))
        job.progress.total = sum(shard.stop - shard.start for shard in todo)
        with tracking(job.progress):
            _run_all(job, todo, _submitter(stage))
    elsewhere = job.output.missing(planned.shards)
    if elsewhere:
        log.info("%s: %d shards of other workers are still to come", job.output.folder, len(elsewhere))
        return None
    with tempfile.TemporaryDirectory(prefix="opendlign-files-") as scratch:
        files = stage.files(job, job.output.records(planned.shards), Path(scratch))
        share, inputs = job.execution.max_rejected_share, stage.inputs_in(planned.shards)
        return finish(job.output, planned.shards, max_rejected_share=share, inputs=inputs, files=files)


def _build_whole(stage: WholeStage[Any, Any], job: Job[Any, Any], order: Order) -> Manifest:
    made: dict[str, list[Input]] = {}
    for need in stage.needs(job.recipe, job.inputs):
        found = _satisfy(need, job, order)
        made.setdefault(need.stage.name, []).append(Input(found, need.label))
    job = replace(job, inputs={**job.inputs, **made})
    # Until here the run bore the name of what it made for itself.
    name_stage_run(order.preset, job.output.identity)
    with tracking(job.progress):
        manifest: Manifest = _whole_task(stage).submit(quote(job)).result()
    return manifest


def _satisfy(need: Need[Any], job: Job[Any, Any], order: Order) -> Manifest:
    """An output that a stage needs on its way, built by the same rules as any.

    It is a shortcut and no more: one that was made from other bytes than its inputs hold now is made anew.
    """
    refs = {
        port: [Ref(given.manifest.fingerprint, given.label, given.manifest.stage) for given in inputs]
        for port, inputs in need.inputs.items()
    }
    own = replace(order, stage=need.stage, recipe=need.recipe, part=Part(), origin=None)
    output = StageOutput(job.store, need.stage.identify(need.recipe, refs))
    if found := output.manifest():
        if not (changed := changed_inputs(job.store, found)):
            return found
        log.warning("%s was made from other bytes of %s: it is made anew", found.folder, ", ".join(changed))
        delete_all(job.store, list(job.store.list(found.folder)))
    name_stage_run(order.preset, output.identity)
    title = f"{need.stage.name} {need.label}".strip()
    _build(need.stage, _job(own, output, need.inputs, None, title), own)
    return load_manifest(job.store, need.stage.name, output.identity.fingerprint)


def device_of(execution: Execution) -> str:
    """Where a stage computes; one whose execution names no device computes on the processor."""
    return str(getattr(execution, "device", "cpu"))


def _submitter(stage: ShardedStage[Any, Any]) -> Submit:
    @task(name=f"{stage.name}-shard", **SHARD_TASK)
    def build_shards(job: Job[Any, Any], shards: Sequence[ShardRange]) -> None:
        with stage.ready(job) as ready:
            for shard in shards:
                with computing(job.output, shard, device_of(job.execution), job.read) as builder:
                    stage.build(job, ready, shard, builder)

    def submit(job: Job[Any, Any], shards: Sequence[ShardRange]) -> PrefectFuture[Any]:
        span = f"{shards[0].index}" if len(shards) == 1 else f"{shards[0].index} to {shards[-1].index}"
        # Quoted, or Prefect would look for futures inside of everything, again for each task run.
        quoted: tuple[Any, Any] = quote(job), quote(shards)
        return build_shards.with_options(task_run_name=f"{stage.name} {span}").submit(*quoted)

    return submit


def _whole_task(stage: WholeStage[Any, Any]) -> Any:
    @task(name=f"{stage.name}-whole", **SHARD_TASK)
    def build_whole(job: Job[Any, Any]) -> Manifest:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"opendlign-{stage.name}-") as scratch:
            with gpu_slot(device_of(job.execution)):
                whole = stage.build(job, Path(scratch))
            manifest = job.output.commit_manifest(files=whole.files, summary=whole.summary, inputs=job.read)
        note_seconds(job.output, "whole", time.monotonic() - started, whole.samples)
        stage.committed(job)
        return manifest

    return build_whole


def _run_all(job: Job[Any, Any], shards: Sequence[ShardRange], submit: Submit) -> None:
    work, pending, failures = split_work(shards), deque[PrefectFuture[Any]](), list[BaseException]()
    for unit in work:
        if len(pending) == SUBMITTED_AHEAD:
            failures += _failure(pending.popleft())
        if any(isinstance(failure, StoreUnavailable | StoreFull) for failure in failures):
            break  # what ails the store ails every shard, each after its own patience
        pending.append(submit(job, unit))
    failures += [failure for future in pending for failure in _failure(future)]
    if failures:
        raise ShardsFailed(
            f"{job.output.folder}: {len(failures)} of {len(work)} units of work failed, the first: {failures[0]}"
        ) from failures[0]


def _failure(future: PrefectFuture[Any]) -> list[BaseException]:
    outcome = future.result(raise_on_failure=False)
    return [outcome] if isinstance(outcome, BaseException) else []
