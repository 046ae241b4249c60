"""The arithmetic of the frozen tower, as a context."""

import contextlib
from collections.abc import Iterator

import torch

from opendlign_core.clip.spec import Precision


@contextlib.contextmanager
def frozen_precision(precision: Precision, device: torch.device) -> Iterator[None]:
    """Run the frozen tower without gradient and at `precision`; `"tf32"` differs from float32 on CUDA only."""
    with torch.no_grad(), _matmul(precision), _autocast(precision, device):
        yield


def _autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[object]:
    if precision in ("bfloat16", "float16"):
        return torch.autocast(device.type, dtype=getattr(torch, precision))
    return contextlib.nullcontext()


@contextlib.contextmanager
def _matmul(precision: Precision) -> Iterator[None]:
    """Set the process-wide float32 matmul mode for the duration: exact unless TF32 was asked for."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
