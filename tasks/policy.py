"""How Prefect treats a shard task: known by its work, not by its run; retried when a store fails, not bad data."""

from typing import Any, TypedDict

from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task

from storage.errors import StoreUnavailable


def _work_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    return f"{parameters['work'].key}@{parameters['work'].store}"


def _may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry a store that did not answer; shape errors, bad recipes and a full disk would only fail again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StoreUnavailable | ConnectionError | TimeoutError)


class TaskOptions(TypedDict):
    """The options that every shard task shares."""

    cache_policy: CachePolicy
    persist_result: bool
    result_serializer: str
    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: Any


SHARD_TASK: TaskOptions = {
    # A shard is the same work in every run on every machine; Prefect's defaults would hash the run into the key.
    "cache_policy": CachePolicy.from_cache_key_fn(_work_key),
    "persist_result": True,
    "result_serializer": "json",
    "retries": 2,
    "retry_delay_seconds": [2.0, 15.0],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_pass,
}
