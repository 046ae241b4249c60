"""One optimisation step, and the state between steps."""

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from opendlign_core.errors import BadInput
from opendlign_core.loop.distributed import World, sum_gradients
from opendlign_core.loop.learner import TOTAL, Learner
from opendlign_core.loop.schedule import set_pace

Batch = TypeVar("Batch")


class Step(NamedTuple):
    """What one update was: its learning rate, the learner's scalars, and whether loss and gradient were finite.

    Scalars stay on the device, so that a step need not wait for them.
    """

    step: int
    lr: float
    values: dict[str, Tensor]
    finite_loss: Tensor
    finite_gradient: Tensor


class Trainer(Generic[Batch]):
    """A learner and how many of its `steps` it has taken; all processes of `world` step together."""

    def __init__(self, learner: Learner[Batch], steps: int, world: World | None = None) -> None:
        self.learner, self.steps, self.world = learner, steps, world or World()
        self.step = 0

    def train_step(self, batch: Batch, size: int) -> Step:
        """Take one step on this process's share of a batch of `size` objects; the result describes the whole batch."""
        optimiser, pace = self.learner.optimiser, self.learner.pace(self.step, self.steps)
        set_pace(optimiser, pace)
        optimiser.zero_grad(set_to_none=True)
        values = self.learner.loss(batch, size)
        torch.autograd.backward(values[TOTAL])
        sum_gradients(self.learner.split_parameters(), self.world)
        finite = torch.isfinite(_gradient_norm(optimiser))
        optimiser.step()
        self.learner.after_update()
        self.step += 1
        found = {name: value.detach() for name, value in values.items()}
        return Step(self.step, pace.lr, found, torch.isfinite(found[TOTAL]), finite)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs beside the learner's tensors."""
        return {
            "step": self.step,
            "steps": self.steps,
            "optimiser": self.learner.optimiser.state_dict(),
            "rng": torch.get_rng_state(),
        }

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint of a run over as many steps; raises `ValueError` on another length."""
        if state["steps"] != self.steps:
            raise BadInput(f"the checkpoint belongs to a run of {state['steps']} steps, this one has {self.steps}")
        self.learner.load_tensors(tensors)
        self.learner.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
        self.step = state["step"]


def _gradient_norm(optimiser: torch.optim.Optimizer) -> Tensor:
    owners = (owner for group in optimiser.param_groups for owner in group["params"])
    return torch.nn.utils.get_total_norm([owner.grad for owner in owners if owner.grad is not None])
