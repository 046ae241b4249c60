"""One-cycle schedules as pure functions of the step, so that resuming needs the step alone."""

import math
from typing import NamedTuple

import torch


class Pace(NamedTuple):
    """The learning rate of one update and, where the schedule moves it, Adam's first momentum."""

    lr: float
    beta1: float | None = None


class Cycle(NamedTuple):
    """One rise and one fall by cosine; the momentum runs the other way."""

    peak_lr: float
    warmup: float
    start_divisor: float
    end_divisor: float
    beta1_low: float
    beta1_high: float

    def at(self, step: int, steps: int) -> Pace:
        """Learning rate and first momentum of update `step` (from 0) of `steps`, as PyTorch's OneCycleLR has them."""
        first = self.peak_lr / self.start_divisor
        share, rising = cycle_position(step, steps, self.warmup)
        if rising:
            return Pace(_cosine(first, self.peak_lr, share), _cosine(self.beta1_high, self.beta1_low, share))
        last = first / self.end_divisor
        return Pace(_cosine(self.peak_lr, last, share), _cosine(self.beta1_low, self.beta1_high, share))


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


def set_pace(optimiser: torch.optim.Optimizer, pace: Pace) -> None:
    """Give all groups the values of the coming update; AdamW uses the same beta1 in its bias correction."""
    for group in optimiser.param_groups:
        group["lr"] = pace.lr
        if pace.beta1 is not None:
            group["betas"] = (pace.beta1, group["betas"][1])


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
