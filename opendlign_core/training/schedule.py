"""AdamW under a one-cycle schedule, as a pure function of the step, so that resuming needs the step alone."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn

from opendlign_core.training.recipe import TrainRecipe


class CycleValues(NamedTuple):
    lr: float
    beta1: float


def one_cycle(step: int, steps: int, recipe: TrainRecipe) -> CycleValues:
    """Learning rate and first momentum of update `step` (from 0) of `steps`: up by cosine, then down by cosine."""
    first = recipe.peak_lr / recipe.start_divisor
    share, rising = cycle_position(step, steps, recipe.warmup)
    if rising:
        lr, beta1 = _cosine(first, recipe.peak_lr, share), _cosine(recipe.beta1_high, recipe.beta1_low, share)
    else:
        last = first / recipe.end_divisor
        lr, beta1 = _cosine(recipe.peak_lr, last, share), _cosine(recipe.beta1_low, recipe.beta1_high, share)
    return CycleValues(lr, beta1)


def cycle_position(step: int, steps: int, warmup: float) -> tuple[float, bool]:
    """How far `step` is into its phase, and whether that phase is the rise.

    The rise ends at step `warmup * steps - 1`, which need not be whole. A cycle too short to rise starts falling.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} lies outside a cycle of {steps}")
    top = warmup * steps - 1
    if step <= top:
        return (step / top if top > 0 else 1.0), True
    return (step - top) / (steps - 1 - top), False


def make_optimiser(parameters: Iterable[nn.Parameter], recipe: TrainRecipe) -> torch.optim.AdamW:
    """AdamW over the depth branch; learning rate and first momentum are set before every step by `set_cycle`."""
    values = one_cycle(0, 1, recipe)
    return torch.optim.AdamW(
        parameters,
        lr=values.lr,
        betas=(values.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
    )


def set_cycle(optimiser: torch.optim.Optimizer, values: CycleValues) -> None:
    """Give all groups the values of the coming update; AdamW uses the same beta1 in its bias correction."""
    for group in optimiser.param_groups:
        group["lr"] = values.lr
        group["betas"] = (values.beta1, group["betas"][1])


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
