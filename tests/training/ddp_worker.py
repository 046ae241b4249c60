"""What torchrun starts twice in `test_distributed`: a run over uneven batches, written to the folder given."""

import sys
import warnings
from pathlib import Path

import torch

from opendlign_core.loop import torchrun_world
from opendlign_core.training import train
from tests.training import tiny
from tests.training.test_run import held_out, source_for


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with torchrun_world(torch.device("cpu")):
        for kind in ("cached", "plain"):
            recipe = tiny.recipe(trainer=kind, batch_size=3, temperature="learned")
            train(source_for(recipe), recipe, tiny.CPU, folder / kind, validation=held_out(recipe))


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(Path(sys.argv[1]))
