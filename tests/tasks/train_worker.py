"""Trains in a process of its own and, where asked to, dies right after publishing its n-th checkpoint."""

import os
import signal
import sys
from pathlib import Path

import torch

from storage.output import load_manifest
from storage.stores import open_store
from tasks.checkpoints import StoredCheckpoints
from tasks.ports import Input
from tasks.train import TRAIN
from tests.tasks.aligned import CPU, recipe
from tests.tasks.running import build_whole, whole_job

save = StoredCheckpoints.save


def main(place: str, aligned: str, last: int, threads: int) -> None:
    # Sums are taken in another order by another number of threads.
    torch.set_num_threads(threads)
    saved = 0

    def save_and_die(kept: StoredCheckpoints, checkpoint: Path, workdir: Path) -> None:
        nonlocal saved
        save(kept, checkpoint, workdir)
        saved += 1
        if saved == last:
            os.kill(os.getpid(), signal.SIGKILL)

    StoredCheckpoints.save = save_and_die  # type: ignore[method-assign, assignment]
    store = open_store(place)
    upstream = load_manifest(store, "synthesize", aligned)
    build_whole(TRAIN, whole_job(TRAIN, store, recipe(), CPU, {"aligned": [Input(upstream)]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
