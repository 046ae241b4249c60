"""One thread each for torch and BLAS: the tensors here are so small that threads only wait for one another."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def single_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    threads = pytest.importorskip("threadpoolctl", reason="comes with scikit-learn")
    with threads.threadpool_limits(1):
        yield
    torch.set_num_threads(before)
