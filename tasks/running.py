"""The body that every shard stage's flow shares: run what is missing, look again, declare the output finished."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from opendlign_core.recipe import Recipe
from storage.errors import StoreFull, StoreUnavailable
from storage.output import ShardRange
from storage.records import Manifest
from tasks.artifacts import name_stage_run, progress_publisher
from tasks.progress import tracking
from tasks.shards import ShardWork, StagePlan, split_work

log = logging.getLogger(__name__)

# A shard uses all of its machine: the core spreads it over processes, threads or a GPU.
ONE_AT_A_TIME: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=1)

# For tasks that take turns computing (`tasks.slots.computing`): one computes while the other brings its shard away.
ONE_COMPUTES: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=2)

# Units of work that wait in Prefect's queue; enough to keep the runners busy.
SUBMITTED_AHEAD = 4

Submit = Callable[[ShardWork, bool], PrefectFuture[Any]]
"""Submits one unit of work; the second argument asks to run it even where Prefect remembers a result."""


class Part(Recipe):
    """The share of a stage that one of several workers takes."""

    index: int = Field(default=0, ge=0, description="which share, counted from 0")
    count: int = Field(default=1, ge=1, description="how many shares there are")


class ShardsFailed(RuntimeError):
    """Some shards failed; those that were committed stay committed."""


def run_stage(
    planned: StagePlan, submit: Submit, commit: Callable[[], Manifest], *, part: Part | None = None, preset: str = ""
) -> Manifest | None:
    """Build the missing shards of this part and commit the manifest; None while another part is unfinished."""
    part = part or Part()
    identity = planned.output.identity
    name_stage_run(preset, identity)
    if planned.manifest is not None:
        log.info("%s is finished: nothing to do", identity.folder)
        return planned.manifest
    # Said before the first shard lands, so that nobody collects what this output reads.
    planned.output.declare()
    todo = planned.part(part.index, part.count)
    log.info("%s: %d of %d shards to build", identity.folder, len(todo), len(planned.shards))
    if todo:
        samples = sum(shard.stop - shard.start for shard in todo)
        with tracking(identity.stage, samples, publish=progress_publisher(identity.stage)):
            _run_all(planned, todo, submit, refresh=False)
            # Prefect may remember work whose output has been removed since: the store decides, so it runs again.
            _run_all(planned, _still_missing(planned, todo), submit, refresh=True)
    elsewhere = planned.output.missing(planned.shards)
    if elsewhere:
        log.info("%s: %d shards of other workers are still to come", identity.folder, len(elsewhere))
        return None
    return commit()


def _run_all(planned: StagePlan, shards: Sequence[ShardRange], submit: Submit, *, refresh: bool) -> None:
    work, pending, failures = split_work(planned.output, shards), deque[PrefectFuture[Any]](), list[BaseException]()
    for unit in work:
        if len(pending) == SUBMITTED_AHEAD:
            failures += _failure(pending.popleft())
        if any(isinstance(failure, StoreUnavailable | StoreFull) for failure in failures):
            break  # what ails the store ails every shard, each after its own patience
        pending.append(submit(unit, refresh))
    failures += [failure for future in pending for failure in _failure(future)]
    if failures:
        raise ShardsFailed(
            f"{planned.output.identity.folder}: {len(failures)} of {len(work)} units of work failed, the first: "
            f"{failures[0]}"
        ) from failures[0]


def _failure(future: PrefectFuture[Any]) -> list[BaseException]:
    outcome = future.result(raise_on_failure=False)
    return [outcome] if isinstance(outcome, BaseException) else []


def _still_missing(planned: StagePlan, todo: Sequence[ShardRange]) -> list[ShardRange]:
    missing = {shard.index for shard in planned.output.missing(planned.shards)}
    return [shard for shard in todo if shard.index in missing]
