"""Comparisons with the CPU to the last digits need float32 convolutions that are not rounded to TF32."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def exact_convolutions() -> Iterator[None]:
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = allowed
