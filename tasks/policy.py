"""How Prefect treats a unit of work: retried when a store fails, not bad data; nothing of it is remembered.

What a store holds decides what is built, so Prefect keeps no results: a result record that other people may write
names the code that reads it.
"""

from typing import Any, TypedDict

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from storage.errors import StoreUnavailable


def _may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry a store that did not answer; shape errors, bad recipes and a full disk would only fail again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StoreUnavailable | ConnectionError | TimeoutError)


class TaskOptions(TypedDict):
    """The options that every task shares."""

    cache_policy: CachePolicy
    persist_result: bool
    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: Any


SHARD_TASK: TaskOptions = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": [2.0, 15.0],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_pass,
}
