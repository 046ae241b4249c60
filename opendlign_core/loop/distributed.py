"""Data-parallel training over torchrun: shared steps, gathered features, summed gradients.

Each rank computes its share of a global batch, gathers everyone's features, evaluates the whole loss and sends back
the gradient of its own features. Summed over ranks this is the gradient of the single-process run, whatever the
shares, so the number of processes changes rounding only.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn


class World(NamedTuple):
    """This process's place among the training processes."""

    rank: int = 0
    ranks: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0


def current_world() -> World:
    """The process group's world where one is running, a world of one elsewhere."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    return World()


@contextlib.contextmanager
def torchrun_world(device: torch.device) -> Iterator[World]:
    """Join the group that torchrun's environment describes (NCCL on CUDA, gloo elsewhere), and leave it at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield current_world()
    finally:
        dist.destroy_process_group()


def gather_features(features: Tensor, counts: list[int], world: World) -> Tensor:
    """Concatenate the ranks' features [b_r, E] to [B, E]; `counts` are all b_r. The gradient returns to its owner."""
    if world.ranks == 1:
        return features
    gathered: Tensor = _Gather.apply(features, counts, world)
    return gathered


def sum_gradients(parameters: Iterable[nn.Parameter], world: World) -> None:
    """Add up every rank's gradients in one message."""
    if world.ranks == 1:
        return
    owners = list(parameters)
    flat = torch.cat([_gradient(parameter).flatten() for parameter in owners])
    dist.all_reduce(flat)
    parts = torch.split(flat, [owner.numel() for owner in owners])
    for parameter, part in zip(owners, parts, strict=True):
        parameter.grad = part.view_as(parameter)


def wait_for_all(world: World) -> None:
    """Return when every rank has come here."""
    if world.ranks > 1:
        dist.barrier()


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


class _Gather(torch.autograd.Function):
    """All-gather of unequal parts. Every rank evaluates the same loss, so its own slice is the whole gradient."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, counts: list[int], world: World) -> Tensor:
        ctx.start, ctx.count = sum(counts[: world.rank]), counts[world.rank]
        padded = features.new_zeros(max(counts), features.shape[1])
        padded[: len(features)] = features
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0].narrow(0, ctx.start, ctx.count), None, None
