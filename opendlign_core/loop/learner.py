"""What a loop trains: a model with its loss, and what one batch of it is."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from opendlign_core.loop.curves import Panel
from opendlign_core.loop.schedule import Pace

Batch_contra = TypeVar("Batch_contra", contravariant=True)

TOTAL = "total"
"""The name of the loss that is minimised; whatever else a learner returns beside it is reported only."""


class Validated(NamedTuple):
    """What held-out data say: `values` for people, `score` to tell whether the run still improves."""

    values: dict[str, float]
    score: float


class Learner(Protocol[Batch_contra]):
    """A model in training. The loop owns order, steps, checkpoints and metrics; a learner owns what they are about.

    All processes of a distributed run hold equal learners and step together, each on its share of the batch.
    """

    @property
    def remedy(self) -> str:
        """What a person should change when the run diverges, as the end of a sentence."""
        ...

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The curves worth drawing of its metrics."""
        ...

    @property
    def optimiser(self) -> torch.optim.Optimizer: ...

    def pace(self, step: int, steps: int) -> Pace:
        """How fast update `step` (from 0) of `steps` learns: a pure function, so that resuming needs only the step."""
        ...

    def loss(self, batch: Batch_contra, size: int) -> Mapping[str, Tensor]:
        """Scalars of the whole batch of `size` objects; `batch` is this process's share, `TOTAL` is minimised."""
        ...

    def split_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters whose gradients are each process's own part, to be added up over all."""
        ...

    def after_update(self) -> None:
        """Bring parameters back into their bounds."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What training has changed, by name: the weights file of checkpoints and of the result."""
        ...

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the tensors of a checkpoint."""
        ...

    def validate(self) -> Validated | None:
        """Measure on held-out data; None where there are none."""
        ...
