"""Whose turn it is to compute: one shard at a time in a process, and on a GPU only with one of the server's slots."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.context import TaskRunContext
from prefect.exceptions import ObjectNotFound

from storage.output import ShardRange, StageOutput
from storage.records import Manifest
from tasks.shards import ShardBuilder, building

GPU_LIMIT = "opendlign-gpu"

# Renewed while the task lives; a worker that dies gives its slot back within this many seconds.
LEASE_SECONDS = 120.0

_COMPUTING = threading.Lock()


def gpu_slots() -> int:
    """How many GPUs all workers have together, as the server was told by deploying; 1 where it was told nothing."""
    with get_client(sync_client=True) as client:
        try:
            return client.read_global_concurrency_limit_by_name(GPU_LIMIT).limit
        except ObjectNotFound:
            return 1


@contextmanager
def computing(
    output: StageOutput, shard: ShardRange, device: str, inputs: Sequence[Manifest] = ()
) -> Iterator[ShardBuilder]:
    """The builder of a shard whose turn it is; the turn ends with the block, before the shard is hashed and uploaded.

    So the next shard, in another thread, is computed while this one is brought to the store.
    """
    with ExitStack() as turn:
        turn.enter_context(_COMPUTING)
        turn.enter_context(gpu_slot(device))
        with building(output, shard, inputs) as builder:
            yield builder
            turn.close()


@contextmanager
def gpu_slot(device: str) -> Iterator[None]:
    """Hold a GPU slot while the block runs on a GPU; on a CPU, or outside Prefect, nothing is held.

    Slots only order the work. Losing one does not stop it, because correctness never depends on them.
    """
    if not _on_gpu(device) or TaskRunContext.get() is None:
        yield
        return
    with concurrency(GPU_LIMIT, lease_duration=LEASE_SECONDS, strict=False, raise_on_lease_renewal_failure=False):
        yield


def _on_gpu(device: str) -> bool:
    if device == "cpu":
        return False
    import torch

    return torch.cuda.is_available()
