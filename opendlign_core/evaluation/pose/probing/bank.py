"""Many linear heads trained at once: those that read the same are one stacked matrix, each row with its own rate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from opendlign_core.evaluation.pose.probing.choices import Reading
from opendlign_core.pose import BINS

ANGLES = 3
MOMENTUM = 0.9
SPREAD = 0.01
"""Standard deviation of the first weights."""

Inputs = Mapping[Reading, Tensor]
"""What heads see, [N, D] by reading."""


@dataclass
class Stack:
    """The heads of one reading: weights [R, 3 * 40, D] and biases [R, 3 * 40], with what momentum keeps of both."""

    weight: Tensor
    bias: Tensor
    rates: Tensor  # [R]

    def __post_init__(self) -> None:
        self.kept = [torch.zeros_like(self.weight), torch.zeros_like(self.bias)]

    def logits(self, seen: Tensor) -> Tensor:  # [N, D] -> [R, N, 3 * 40]
        return torch.einsum("rkd,nd->rnk", self.weight, seen) + self.bias[:, None]

    def step(self, seen: Tensor, bins: Tensor, share: float) -> Tensor:  # [N, D], [N, 3] -> losses before it [R, 3]
        """One step of every head, each with that share of its rate."""
        parameters = [self.weight.requires_grad_(), self.bias.requires_grad_()]
        losses = self._losses(seen, bins)
        found = torch.autograd.grad(losses.sum(), parameters)
        with torch.no_grad():
            for parameter, kept, gradient in zip(parameters, self.kept, found, strict=True):
                kept.mul_(MOMENTUM).add_(gradient)
                rates = (share * self.rates).view(-1, *[1] * (parameter.dim() - 1))
                parameter.sub_((rates * kept).to(parameter.dtype))
        return losses.detach()

    def _losses(self, seen: Tensor, bins: Tensor) -> Tensor:  # [R, 3]
        logits = self.logits(seen).reshape(-1, BINS)  # of every head, photo and angle
        each = cross_entropy(logits, bins.expand(len(self.rates), -1, -1).flatten(), reduction="none")
        return each.view(len(self.rates), -1, ANGLES).mean(1)


@dataclass
class HeadBank:
    """All heads of a probe."""

    stacks: dict[Reading, Stack]

    @classmethod
    def drawn(cls, widths: Mapping[Reading, int], rates: Sequence[float], seed: int) -> "HeadBank":
        """First weights, the same for a seed, whichever readings there are."""
        return cls({reading: _drawn(reading, width, rates, seed) for reading, width in widths.items()})

    def step(self, seen: Inputs, bins: Tensor, share: float) -> Tensor:  # losses before it [H, 3]
        """One step on a batch; heads do not touch each other."""
        return torch.cat([stack.step(seen[reading], bins, share) for reading, stack in self.stacks.items()])

    def logits(self, seen: Inputs) -> Tensor:  # [H, N, 3 * 40]
        """What every head says, in the order of `ProbeSpec.heads`."""
        with torch.no_grad():
            return torch.cat([stack.logits(seen[reading]) for reading, stack in self.stacks.items()])


def cosine(step: int, steps: int) -> float:
    """The share of its rate that a head has left at a step, 1 at first and 0 after the last."""
    return (1 + math.cos(math.pi * step / steps)) / 2


def _drawn(reading: Reading, width: int, rates: Sequence[float], seed: int) -> Stack:
    """Heads that differ in rate alone begin at the same weights."""
    generator = torch.Generator().manual_seed(seed)
    weight = SPREAD * torch.randn(ANGLES * BINS, width, generator=generator)
    count = len(rates)
    return Stack(
        weight.expand(count, -1, -1).clone(),
        torch.zeros(count, ANGLES * BINS),
        torch.tensor(rates, dtype=torch.float64),
    )
