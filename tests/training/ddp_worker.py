"""What torchrun starts twice in `test_distributed`: a run over uneven batches, written to the folder given."""

import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from opendlign_core.loop import torchrun_world
from opendlign_core.training import train
from tests.training import tiny
from tests.training.test_run import held_out, source_for

UNEVEN = {"batch_size": 3, "temperature": "learned"}
"""Ten objects in batches of 3: the last batch of an epoch holds one object, so the second process has none."""
RUNS: dict[str, dict[str, Any]] = {
    "cached": UNEVEN,
    "plain": {**UNEVEN, "trainer": "plain"},
    "flip": {**UNEVEN, "trainer": "plain", "augment": "flip"},
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with torchrun_world(torch.device("cpu")):
        for name, changes in RUNS.items():
            recipe = tiny.recipe(**changes)
            train(source_for(recipe), recipe, tiny.CPU, folder / name, validation=held_out(recipe))


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(Path(sys.argv[1]))
