"""The smallest learner: a line through points. It shows that the loop knows nothing of what is trained."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from opendlign_core.loop import (
    EpochBatches,
    Habits,
    InMemory,
    LoopResult,
    Origin,
    Pace,
    Panel,
    Validated,
    World,
    run_loop,
)
from opendlign_core.loop.distributed import gather_features
from opendlign_core.loop.order import share_sizes

LOUD = Habits(log_every=1, keep_checkpoints=2)


class Points(NamedTuple):
    x: Tensor  # [B, 1]
    y: Tensor  # [B, 1]


def points(count: int = 10) -> Points:
    x = torch.linspace(-1, 1, count).view(-1, 1)
    return Points(x, 3 * x + 1)


class Line:
    """Fits `y = slope x + 1`; `scores` are what its validations say, one after the other."""

    remedy = "lower the rate"
    panels = (Panel("loss", "train", ("total",)),)

    def __init__(self, lr: float = 0.1, scores: Iterable[float] = (), world: World | None = None) -> None:
        self.slope = nn.Parameter(torch.zeros(1))
        self.lr, self.scores, self.world = lr, list(scores), world or World()
        self.optimiser = torch.optim.AdamW([self.slope], weight_decay=0.0)

    def pace(self, step: int, steps: int) -> Pace:
        return Pace(self.lr * (1 - step / steps))

    def loss(self, batch: Points, size: int) -> Mapping[str, Tensor]:
        ours = torch.cat([batch.x * self.slope + 1, batch.y], dim=1)
        whole = gather_features(ours, share_sizes(size, self.world.ranks), self.world)
        return {"total": ((whole[:, 0] - whole[:, 1]) ** 2).mean(), "slope": self.slope.mean()}

    def split_parameters(self) -> Iterable[nn.Parameter]:
        return [self.slope]

    def after_update(self) -> None:
        """The slope has no bounds."""

    def tensors(self) -> dict[str, Tensor]:
        return {"slope": self.slope.detach()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.slope.data.copy_(tensors["slope"])

    def validate(self) -> Validated | None:
        return Validated({"score": self.scores[0]}, self.scores.pop(0)) if self.scores else None


def fit(
    folder: Path, learner: Line | None = None, data: Points | None = None, habits: Habits = LOUD, **callbacks: Any
) -> LoopResult:
    """Three epochs in batches of 4: 9 steps over 10 points."""
    batches = EpochBatches(InMemory(data or points()), 4, 3, seed=1)
    return run_loop(learner or Line(), batches, habits, folder, Origin("line/1", {"rate": 1}), **callbacks)
