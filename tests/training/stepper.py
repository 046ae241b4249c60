"""Training by hand, one step after the other."""

from opendlign_core.loop import Trainer
from opendlign_core.training import CacheEntries, DepthAlignedCLIP, DepthBranchLearner, Objects, TrainRecipe
from opendlign_core.training.depth_branch.losses import Alignment


class Stepper:
    """A depth branch with its trainer."""

    def __init__(self, model: DepthAlignedCLIP, recipe: TrainRecipe, steps: int) -> None:
        self.learner = DepthBranchLearner(model, recipe)
        self.trainer: Trainer[CacheEntries | Objects] = Trainer(self.learner, steps)

    def step(self, batch: CacheEntries | Objects, size: int) -> Alignment:
        return Alignment(**self.trainer.train_step(batch, size).values)
