"""A whole training run: it starts from the newest checkpoint in its folder, or from the beginning."""

import logging
import math
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from opendlign_core.errors import BadInput
from opendlign_core.loop.batches import Batches, Share
from opendlign_core.loop.checkpoint import (
    Origin,
    Weights,
    list_checkpoints,
    read_checkpoint,
    require_finite,
    save_checkpoint,
    save_weights,
)
from opendlign_core.loop.curves import draw_curves
from opendlign_core.loop.distributed import World, wait_for_all
from opendlign_core.loop.errors import Diverged
from opendlign_core.loop.layout import CHECKPOINTS, CURVES_FILE, METRICS_FILE, WEIGHTS_FILE
from opendlign_core.loop.learner import Learner, Validated
from opendlign_core.loop.metrics import MetricsLog, read_metrics
from opendlign_core.loop.progress import Progress, StepLog
from opendlign_core.loop.trainer import Trainer
from opendlign_core.streams import prefetched

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Habits:
    """When a run writes, validates and stops."""

    log_every: int = 3
    """Steps averaged into one line of metrics."""
    checkpoint_every_steps: int | None = None
    """Beside the checkpoint after each epoch."""
    keep_checkpoints: int = 3
    validate_every: int = 1
    """Epochs between validations, 0 for never."""
    patience: int | None = None
    """Validations without progress before the run stops early."""
    tensorboard: bool = False


class LoopResult(NamedTuple):
    """Where the outcome lies, how far the run went and what the last validation found."""

    weights: Path
    metrics: Path
    curves: Path
    steps: int
    stopped_early: bool
    validation: dict[str, float]


def run_loop(
    learner: Learner[Batch],
    batches: Batches[Batch],
    habits: Habits,
    workdir: Path,
    origin: Origin,
    *,
    world: World | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_checkpoint: Callable[[Path], None] | None = None,
) -> LoopResult:
    """Train `learner` to the end and leave weights, metrics and curves in `workdir`.

    A run that was killed continues at the exact next batch; on a CPU its outcome equals an uninterrupted run's. All
    processes of `world` call this with the same arguments; the first one writes, and calls back.

    Args:
        learner: what is trained.
        batches: what each step trains on.
        habits: when to write, validate and stop.
        workdir: a folder of this run's own, shared by all processes.
        origin: what the run is; a folder that holds another run's checkpoints is refused.
        world: this process's place among the training processes.
        on_progress: called each time metrics are written.
        on_checkpoint: called with each new checkpoint.

    Raises:
        Diverged: loss, gradient, weights or validation are not finite. The newest checkpoint is the last finite one.
        ValueError: the folder holds another run.
    """
    run = _Run(Trainer(learner, batches.steps, world), batches, habits, workdir, origin)
    run.on_progress, run.on_checkpoint = on_progress, on_checkpoint
    run.resume()
    return run.finish()


class _Run(Generic[Batch]):
    """The state of one call of `run_loop`."""

    on_progress: Callable[[Progress], None] | None = None
    on_checkpoint: Callable[[Path], None] | None = None

    def __init__(
        self, trainer: Trainer[Batch], batches: Batches[Batch], habits: Habits, workdir: Path, origin: Origin
    ) -> None:
        self.trainer, self.batches, self.habits, self.origin = trainer, batches, habits, origin
        self.learner, self.world = trainer.learner, trainer.world
        self.workdir, self.checkpoints = workdir, workdir / CHECKPOINTS
        self.steps = StepLog(trainer.steps, self.learner.remedy)
        self.latest: dict[str, float] = {}
        self.early: dict[str, float] = {"best": -1.0, "since": 0, "stopped": False}
        self.resumed = 0

    def resume(self) -> None:
        """Continue from the newest checkpoint, if there is one."""
        found = list_checkpoints(self.checkpoints)
        if not found:
            return
        weights, state = read_checkpoint(found[-1])
        if difference := self.origin.difference(weights.origin):
            raise BadInput(f"{self.workdir} holds another training run ({difference}); give this one its own folder")
        self.trainer.restore(weights.tensors, state)
        self.resumed = self.trainer.step
        self.early, self.latest = state["early"], state["validation"]
        logger.info("continuing %s at step %d of %d", self.workdir, self.trainer.step, self.trainer.steps)

    def finish(self) -> LoopResult:
        """Train to the end, then write what the run is for."""
        weights, metrics, curves = (self.workdir / name for name in (WEIGHTS_FILE, METRICS_FILE, CURVES_FILE))
        if self.world.leads:
            board = self.workdir / "tensorboard" if self.habits.tensorboard else None
            with MetricsLog(metrics, self.trainer.step, board) as log:
                self._train(log)
            save_weights(weights, self._weights())
            draw_curves(read_metrics(metrics), self.learner.panels, curves)
        else:
            self._train(None)
        wait_for_all(self.world)
        return LoopResult(weights, metrics, curves, self.trainer.step, bool(self.early["stopped"]), self.latest)

    def _train(self, log: MetricsLog | None) -> None:
        if self.trainer.step >= self.trainer.steps or self.early["stopped"]:
            return
        with closing(self._shares()) as shares:
            for share in shares:
                self._step(share, log)
                if self.early["stopped"]:
                    return

    def _shares(self) -> Generator[Share[Batch], None, None]:
        """The shares of the steps to come, each loaded while its predecessor trains."""
        steps = range(self.trainer.step, self.trainer.steps)
        return prefetched((self.batches.at(step) for step in steps), depth=1)

    def _step(self, share: Share[Batch], log: MetricsLog | None) -> None:
        epoch = self.trainer.step // self.batches.per_epoch
        self.steps.add(self.trainer.train_step(share.batch, share.size))
        done, every = self.trainer.step, self.habits.checkpoint_every_steps
        if done % self.batches.per_epoch == 0:
            self._write_steps(epoch, log)
            self._validate(epoch, log)
            self._checkpoint(log)
        elif every is not None and done % every == 0:
            self._write_steps(epoch, log)
            self._checkpoint(log)
        elif len(self.steps) >= self.habits.log_every:
            self._write_steps(epoch, log)

    def _write_steps(self, epoch: int, log: MetricsLog | None) -> None:
        """Write the mean of the last steps; waiting for the device here and not at every step."""
        values = self.steps.mean()
        if log is None:
            return
        log.write("train", self.trainer.step, epoch, values)
        if self.on_progress is not None:
            self.on_progress(Progress(self.trainer.step, self.trainer.steps, epoch, values, self.resumed))

    def _validate(self, epoch: int, log: MetricsLog | None) -> None:
        due = self.habits.validate_every and (epoch + 1) % self.habits.validate_every == 0
        found = self.learner.validate() if due else None
        if found is None:
            return
        self._require_finite(found)
        self.latest = found.values
        better = found.score > self.early["best"]
        self.early["best"] = max(found.score, self.early["best"])
        self.early["since"] = 0 if better else self.early["since"] + 1
        self.early["stopped"] = self.habits.patience is not None and self.early["since"] >= self.habits.patience
        if log is not None:
            log.write("validation", self.trainer.step, epoch, self.latest)

    def _require_finite(self, found: Validated) -> None:
        if not all(map(math.isfinite, (found.score, *found.values.values()))):
            step, steps = self.trainer.step, self.trainer.steps
            raise Diverged(
                f"training diverged: the validation after step {step} of {steps} is not finite, "
                f"at a learning rate of {self.learner.pace(step - 1, steps).lr:g}; {self.learner.remedy}"
            )

    def _checkpoint(self, log: MetricsLog | None) -> None:
        weights = self._weights()
        require_finite(weights.tensors, weights.step)
        if log is not None:
            log.flush()
            state: dict[str, Any] = self.trainer.state() | {"early": self.early, "validation": self.latest}
            path = save_checkpoint(self.checkpoints, weights, state, self.habits.keep_checkpoints)
            if self.on_checkpoint is not None:
                self.on_checkpoint(path)
        wait_for_all(self.world)

    def _weights(self) -> Weights:
        return Weights(self.learner.tensors(), self.origin, self.trainer.step)
