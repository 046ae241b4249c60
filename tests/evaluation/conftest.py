"""One thread each for torch and BLAS: the tensors here are so small that threads only wait for one another."""

from collections.abc import Iterator

import pytest

from tests.threads import torch_threads


@pytest.fixture(autouse=True, scope="package")
def single_thread() -> Iterator[None]:
    threads = pytest.importorskip("threadpoolctl", reason="comes with scikit-learn")
    with torch_threads(1), threads.threadpool_limits(1):
        yield
