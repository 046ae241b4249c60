"""What happened since the last line of metrics."""

from typing import NamedTuple

from opendlign_core.loop.errors import Diverged
from opendlign_core.loop.trainer import Step


class Progress(NamedTuple):
    """`step` of `steps` done, in `epoch` (from 0); `values` are the means of the steps since the last report."""

    step: int
    steps: int
    epoch: int
    values: dict[str, float]
    resumed: int = 0
    """Those of the steps that were made before this call, by a run that was killed."""


class StepLog:
    """Steps that wait to be averaged into one line; their scalars may still be on the device."""

    def __init__(self, steps: int, remedy: str) -> None:
        self._steps, self._remedy = steps, remedy
        self._waiting: list[Step] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, step: Step) -> None:
        self._waiting.append(step)

    def mean(self) -> dict[str, float]:
        """The means of all that waited, which ends their wait; `lr` is that of the last step.

        Raises:
            Diverged: a loss or gradient among them was not finite.
        """
        done, self._waiting = self._waiting, []
        for step in done:
            self._require_finite(step)
        columns = {name: [step.values[name].item() for step in done] for name in done[-1].values}
        return {name: sum(column) / len(column) for name, column in columns.items()} | {"lr": done[-1].lr}

    def _require_finite(self, step: Step) -> None:
        if step.finite_loss and step.finite_gradient:
            return
        what = "gradient" if step.finite_loss else "loss"
        raise Diverged(
            f"training diverged: the {what} of step {step.step} of {self._steps} is not finite, "
            f"at a learning rate of {step.lr:g}; {self._remedy}"
        )
