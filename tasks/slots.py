"""GPU slots: a task that computes on a GPU takes one of the slots the server was told of, wherever it runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.concurrency.sync import concurrency
from prefect.context import TaskRunContext

GPU_LIMIT = "opendlign-gpu"

# Renewed while the task lives; a worker that dies gives its slot back within this many seconds.
LEASE_SECONDS = 120.0


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
