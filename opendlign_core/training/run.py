"""A whole training run: it starts from the last checkpoint in its folder, or from the beginning."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

from opendlign_core.clip.device import choose_device
from opendlign_core.clip.load import load_clip
from opendlign_core.training.augment import flip_views
from opendlign_core.training.cache import place
from opendlign_core.training.checkpoint import (
    ADAPTER_FILE,
    Adapter,
    describe_difference,
    list_checkpoints,
    read_checkpoint,
    save_adapter,
    save_checkpoint,
)
from opendlign_core.training.curves import CURVES_FILE, draw_curves
from opendlign_core.training.distributed import current_world, wait_for_all
from opendlign_core.training.losses import Alignment
from opendlign_core.training.metrics import METRICS_FILE, MetricsLog, read_metrics
from opendlign_core.training.model import DepthAlignedCLIP
from opendlign_core.training.recipe import TrainExecution, TrainRecipe
from opendlign_core.training.sources import (
    CacheEntries,
    Indices,
    InMemory,
    Objects,
    Source,
    epoch_order,
    load_share,
    steps_per_epoch,
)
from opendlign_core.training.trainer import Trainer
from opendlign_core.training.validation import Validation, validate

logger = logging.getLogger(__name__)

TrainSource = Source[CacheEntries] | Source[Objects]


class TrainProgress(NamedTuple):
    """`step` of `steps` done, in `epoch` (from 0); `values` are the latest training metrics."""

    step: int
    steps: int
    epoch: int
    values: dict[str, float]


class TrainResult(NamedTuple):
    """Where the outcome lies, how far the run went and what the last validation found."""

    adapter: Path
    metrics: Path
    curves: Path
    steps: int
    stopped_early: bool
    validation: dict[str, float]


def train(
    source: TrainSource,
    recipe: TrainRecipe,
    execution: TrainExecution,
    workdir: Path,
    *,
    model: DepthAlignedCLIP | None = None,
    validation: Validation | None = None,
    fingerprint: str = "",
    on_progress: Callable[[TrainProgress], None] | None = None,
    on_checkpoint: Callable[[Path], None] | None = None,
) -> TrainResult:
    """Train the depth branch on `source` and leave adapter, metrics and curves in `workdir`.

    A run that was killed continues at the exact next batch; on a CPU its outcome equals an uninterrupted run's.
    Inside a process group (see `torchrun_world`) every rank calls this with the same arguments; rank 0 writes.

    Args:
        source: cache entries for the cached trainer, pixels for the plain one.
        recipe: what to train.
        execution: where and how to run it.
        workdir: a folder of this run's own, shared by all ranks.
        model: the model to train, where it is already loaded; by default it is built from the recipe.
        validation: held-out objects.
        fingerprint: the identity of this run; a folder that holds another's checkpoints is refused.
        on_progress: called on rank 0 each time metrics are written.
        on_checkpoint: called on rank 0 with each new checkpoint.

    Raises:
        ValueError: the folder holds another run, or the source does not suit the trainer.
    """
    device = choose_device(execution.device)
    if model is None:
        model = DepthAlignedCLIP(load_clip(recipe.clip), recipe.blocks, recipe.blend)
    run = _Run(source, recipe, execution, workdir, model.to(device).train(), validation, fingerprint)
    run.on_progress, run.on_checkpoint = on_progress, on_checkpoint
    run.resume()
    return run.finish()


class _Run:
    """The state of one call of `train`."""

    on_progress: Callable[[TrainProgress], None] | None = None
    on_checkpoint: Callable[[Path], None] | None = None

    def __init__(
        self,
        source: TrainSource,
        recipe: TrainRecipe,
        execution: TrainExecution,
        workdir: Path,
        model: DepthAlignedCLIP,
        validation: Validation | None,
        fingerprint: str,
    ) -> None:
        self.recipe, self.execution, self.workdir = recipe, execution, workdir
        self.validation, self.fingerprint, self.model = validation, fingerprint, model
        self.source = self._prepared(source)
        self.world = current_world()
        self.per_epoch = steps_per_epoch(source.sizes, recipe.batch_size)
        self.trainer = Trainer(model, recipe, self.per_epoch * recipe.epochs, self.world)
        self.pending: list[tuple[int, float, Alignment]] = []
        self.latest: dict[str, float] = {}
        self.early: dict[str, float] = {"best": -1.0, "since": 0, "stopped": False}
        self.checkpoints = workdir / "checkpoints"

    def resume(self) -> None:
        """Continue from the newest checkpoint, if there is one."""
        found = list_checkpoints(self.checkpoints)
        if not found:
            return
        adapter, state = read_checkpoint(found[-1])
        if adapter.recipe != self.recipe or adapter.fingerprint != self.fingerprint:
            difference = describe_difference(self.recipe, adapter.recipe) or "its data"
            raise ValueError(f"{self.workdir} holds another training run ({difference}); give this one its own folder")
        self.trainer.restore(adapter.tensors, state)
        self.early = state["early"]
        self.latest = state["validation"]
        logger.info("continuing %s at step %d of %d", self.workdir, self.trainer.step, self.trainer.steps)

    def finish(self) -> TrainResult:
        """Train to the end, then write what the run is for."""
        if self.world.leads:
            board = self.workdir / "tensorboard" if self.execution.tensorboard else None
            with MetricsLog(self.workdir / METRICS_FILE, self.trainer.step, board) as log:
                self._train(log)
            save_adapter(self.workdir / ADAPTER_FILE, self._adapter())
            draw_curves(read_metrics(self.workdir / METRICS_FILE), self.workdir / CURVES_FILE)
        else:
            self._train(None)
        wait_for_all(self.world)
        return TrainResult(
            adapter=self.workdir / ADAPTER_FILE,
            metrics=self.workdir / METRICS_FILE,
            curves=self.workdir / CURVES_FILE,
            steps=self.trainer.step,
            stopped_early=bool(self.early["stopped"]),
            validation=self.latest,
        )

    def _train(self, log: MetricsLog | None) -> None:
        while self.trainer.step < self.trainer.steps and not self.early["stopped"]:
            epoch, first = divmod(self.trainer.step, self.per_epoch)
            for batch, size in self._batches(epoch, first):
                self._step(batch, size, epoch, log)
            self._validate(epoch, log)
            self._checkpoint(epoch, log)

    def _step(self, batch: CacheEntries | Objects, size: int, epoch: int, log: MetricsLog | None) -> None:
        result = self.trainer.train_step(batch, size)
        self.pending.append((self.trainer.step, self.trainer.optimiser.param_groups[0]["lr"], result))
        if len(self.pending) >= self.execution.log_every:
            self._write_pending(epoch, log)
        every = self.execution.checkpoint_every_steps
        if every is not None and self.trainer.step % every == 0 and self.trainer.step % self.per_epoch != 0:
            self._checkpoint(epoch, log)

    def _batches(self, epoch: int, first: int) -> Iterator[tuple[CacheEntries | Objects, int]]:
        """This rank's shares of the epoch's batches from `first` on, each loaded while its predecessor trains."""
        order = epoch_order(self.source.sizes, self.recipe.seed, epoch, self.recipe.shuffle_shards)
        starts = range(first * self.recipe.batch_size, len(order), self.recipe.batch_size)
        with ThreadPoolExecutor(1, "training-batches") as loader:
            coming = None
            for start in starts:
                batch = order[start : start + self.recipe.batch_size]
                following = loader.submit(self._load, batch, epoch)
                if coming is not None:
                    yield coming.result(), self.recipe.batch_size
                coming = following
            if coming is not None:
                yield coming.result(), len(batch)

    def _load(self, batch: Indices, epoch: int) -> CacheEntries | Objects:
        loaded: CacheEntries | Objects = load_share(self.source, batch, self.world.rank, self.world.ranks)
        if isinstance(loaded, Objects) and self.recipe.augment == "flip":
            return flip_views(loaded, batch, self.recipe.seed, epoch)
        return loaded

    def _validate(self, epoch: int, log: MetricsLog | None) -> None:
        due = self.recipe.validate_every and (epoch + 1) % self.recipe.validate_every == 0
        if self.validation is None or not due:
            return
        self.latest = validate(self.model.eval(), self.validation, self.recipe)
        self.model.train()
        score = self.latest["depth_to_image"] + self.latest["image_to_depth"]
        better = score > self.early["best"]
        self.early["best"] = max(score, self.early["best"])
        self.early["since"] = 0 if better else self.early["since"] + 1
        self.early["stopped"] = self.recipe.patience is not None and self.early["since"] >= self.recipe.patience
        if log is not None:
            log.write("validation", self.trainer.step, epoch, self.latest)

    def _checkpoint(self, epoch: int, log: MetricsLog | None) -> None:
        self._write_pending(epoch, log)
        if log is not None:
            log.flush()
            state = self.trainer.state() | {"early": self.early, "validation": self.latest}
            path = save_checkpoint(self.checkpoints, self._adapter(), state, self.execution.keep_checkpoints)
            if self.on_checkpoint is not None:
                self.on_checkpoint(path)
        wait_for_all(self.world)

    def _write_pending(self, epoch: int, log: MetricsLog | None) -> None:
        """Write the metrics of the last steps; waiting for the device here and not at every step."""
        values: dict[str, float] = {}
        for step, lr, result in self.pending:
            values = {name: value.item() for name, value in result._asdict().items()} | {"lr": lr}
            if log is not None:
                log.write("train", step, epoch, values)
        self.pending.clear()
        if log is not None and self.on_progress is not None and values:
            self.on_progress(TrainProgress(self.trainer.step, self.trainer.steps, epoch, values))

    def _adapter(self) -> Adapter:
        return Adapter(self.trainer.adapter_tensors(), self.recipe, self.fingerprint, self.trainer.step)

    def _prepared(self, source: TrainSource) -> Any:
        """Check that the source suits the trainer, and move a cache to where it is read fastest."""
        wants_cache = self.recipe.trainer == "cached"
        probe = source.batch(torch.zeros(1, dtype=torch.int64).numpy())
        if isinstance(probe, CacheEntries) != wants_cache:
            found, needed = type(probe).__name__, "CacheEntries" if wants_cache else "Objects"
            raise ValueError(f"the {self.recipe.trainer} trainer reads {needed}, the source holds {found}")
        if wants_cache and isinstance(source, InMemory):
            return place(source, self.model.device, self.execution.cache_placement)
        return source
