"""Training checkpoints in the store, so that a run continues on whatever machine takes it up."""

from pathlib import Path
from typing import Self

from opendlign_core.loop import CHECKPOINT_FILES, CHECKPOINTS, METRICS_FILE
from storage.collect import Beside
from storage.output import StageOutput
from storage.store import Store

KEPT = Beside("checkpoints", until="finished")


class StoredCheckpoints:
    """The newest `keep` checkpoints of one training run, under a folder of the store.

    Files go up in the order in which the loop writes them, so a checkpoint that was cut off on its way lacks its state
    and does not count.
    """

    def __init__(self, store: Store, folder: str, keep: int) -> None:
        self._store = store
        self._folder = folder
        self._keep = keep

    @classmethod
    def of(cls, output: StageOutput, keep: int) -> Self:
        """Those of the training run that makes an output."""
        return cls(output.store, f"{KEPT.folder}/{output.folder}", keep)

    def save(self, checkpoint: Path, workdir: Path) -> None:
        """Publish a checkpoint folder with the metrics so far; the oldest ones go."""
        for name in CHECKPOINT_FILES:
            source = workdir / name if name == METRICS_FILE else checkpoint / name
            self._store.put_file(source, f"{self._folder}/{checkpoint.name}/{name}")
        for old in self._complete()[: -self._keep]:
            self._remove(old)

    def restore(self, workdir: Path) -> str | None:
        """Bring the newest complete checkpoint into an empty work folder; returns its name."""
        complete = self._complete()
        if not complete:
            return None
        newest = complete[-1]
        local = workdir / CHECKPOINTS / newest
        local.mkdir(parents=True)
        for name in CHECKPOINT_FILES:
            target = workdir / name if name == METRICS_FILE else local / name
            target.write_bytes(self._store.read(f"{self._folder}/{newest}/{name}"))
        return newest

    def clear(self) -> None:
        """Remove all checkpoints, once the result is committed."""
        for info in self._store.list(self._folder):
            self._store.delete(info.key)

    def _complete(self) -> list[str]:
        keys = [info.key.removeprefix(f"{self._folder}/") for info in self._store.list(self._folder)]
        steps = {key.partition("/")[0] for key in keys}
        return sorted(step for step in steps if all(f"{step}/{name}" in keys for name in CHECKPOINT_FILES))

    def _remove(self, step: str) -> None:
        """The state first, so that a removal that is cut off leaves no checkpoint that looks complete."""
        for name in reversed(CHECKPOINT_FILES):
            self._store.delete(f"{self._folder}/{step}/{name}")
