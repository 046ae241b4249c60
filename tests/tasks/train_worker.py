"""Trains in a process of its own and dies right after publishing its n-th checkpoint."""

import os
import signal
import sys
from pathlib import Path

import torch

from storage.output import load_manifest
from storage.stores import open_store
from tasks.checkpoints import StoredCheckpoints
from tasks.train import TRAIN
from tests.tasks.aligned import CPU, recipe
from tests.tasks.making import make

save = StoredCheckpoints.save


def main(place: str, aligned: str, last: int) -> None:
    # Sums are taken in another order by another number of threads.
    torch.set_num_threads(1)
    saved = 0

    def save_and_die(kept: StoredCheckpoints, checkpoint: Path, workdir: Path) -> None:
        nonlocal saved
        save(kept, checkpoint, workdir)
        saved += 1
        if saved == last:
            os.kill(os.getpid(), signal.SIGKILL)

    StoredCheckpoints.save = save_and_die  # type: ignore[method-assign, assignment]
    store = open_store(place)
    make(TRAIN, store, recipe(), {"aligned": load_manifest(store, "synthesize", aligned)}, CPU)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
