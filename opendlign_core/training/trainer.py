"""One optimisation step and the state between steps; cached and plain training differ in `depth_views` alone."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from opendlign_core.clip.features import object_features
from opendlign_core.training.cache import build_entries, depth_pixels, image_targets, prefix_of
from opendlign_core.training.checkpoint import LOG_SCALE
from opendlign_core.training.distributed import World, gather_features, sum_gradients
from opendlign_core.training.losses import Alignment, alignment
from opendlign_core.training.model import DepthAlignedCLIP
from opendlign_core.training.recipe import TrainRecipe
from opendlign_core.training.schedule import make_optimiser, one_cycle, set_cycle
from opendlign_core.training.sources import CacheEntries, Objects, share_sizes

MAX_LOG_SCALE = 4.6052  # ln 100, the bound CLIP puts on a learned temperature


class Trainer:
    """The depth branch, its optimiser and the number of steps taken.

    `steps` is the length of the learning-rate cycle. All ranks of a distributed run step together on the same global
    batch, each with its own share of the objects.
    """

    def __init__(self, model: DepthAlignedCLIP, recipe: TrainRecipe, steps: int, world: World | None = None) -> None:
        self.model, self.recipe, self.steps = model, recipe, steps
        self.world = world or World()
        self.step = 0
        self.parameters = model.trainable()
        self.log_scale = nn.Parameter(
            model.clip.logit_scale.detach().clone().reshape(()), requires_grad=recipe.temperature == "learned"
        )
        self.optimiser = make_optimiser(self.parameters.values(), recipe)
        if self.log_scale.requires_grad:
            self.optimiser.add_param_group({"params": [self.log_scale], "weight_decay": 0.0})

    def train_step(self, batch: CacheEntries | Objects, global_size: int) -> Alignment:
        """Take one step on this rank's share `batch` of a global batch; the result describes the whole batch."""
        set_cycle(self.optimiser, one_cycle(self.step, self.steps, self.recipe))
        self.optimiser.zero_grad(set_to_none=True)
        result = self.loss(batch, global_size)
        torch.autograd.backward(result.total)
        sum_gradients(self.parameters.values(), self.world)
        self.optimiser.step()
        if self.log_scale.requires_grad:
            self.log_scale.data.clamp_(max=MAX_LOG_SCALE)
        self.step += 1
        return Alignment(*(value.detach() for value in result))

    def loss(self, batch: CacheEntries | Objects, global_size: int) -> Alignment:
        """The objective over all ranks' shares of a global batch of `global_size` objects."""
        views, targets = depth_views(self.model, batch, self.recipe)
        counts = share_sizes(global_size, self.world.ranks)
        depth = gather_features(object_features(views), counts, self.world)
        image = gather_features(targets, counts, self.world)
        return alignment(depth, image, self.log_scale, self.recipe)

    def adapter_tensors(self) -> dict[str, Tensor]:
        """What this training has changed, by name."""
        learned = {LOG_SCALE: self.log_scale.detach()} if self.log_scale.requires_grad else {}
        return self.model.adapter_state() | learned

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs beside the adapter."""
        return {
            "step": self.step,
            "steps": self.steps,
            "optimiser": self.optimiser.state_dict(),
            "rng": torch.get_rng_state(),
        }

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint of a run over as many steps; raises `ValueError` on another length."""
        if state["steps"] != self.steps:
            raise ValueError(f"the checkpoint belongs to a run of {state['steps']} steps, this one has {self.steps}")
        self.model.load_adapter_state(tensors)
        if self.log_scale.requires_grad:
            self.log_scale.data.copy_(tensors[LOG_SCALE])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
        self.step = state["step"]


def depth_views(model: DepthAlignedCLIP, batch: CacheEntries | Objects, recipe: TrainRecipe) -> tuple[Tensor, Tensor]:
    """Depth-branch features [B, V, E] with gradient, and the object features [B, E] of the images."""
    if isinstance(batch, Objects) and len(batch.depth) == 0:
        # open_clip cannot embed an empty batch: encode one blank object and keep nothing of it but the graph.
        blank = Objects(*(tensor.new_zeros((1, *tensor.shape[1:])) for tensor in batch))
        views, targets = depth_views(model, blank, recipe)
        return views[:0], targets[:0]
    if isinstance(batch, CacheEntries):
        entries = CacheEntries(*(tensor.to(model.device, non_blocking=True) for tensor in batch))
    elif model.cls_only:
        entries = build_entries(model, batch, recipe.cache_recipe().model_copy(update={"dtype": "float32"}))
    else:
        views = model.encode_image(depth_pixels(model, batch, recipe.clip), "depth").view(*batch.depth.shape[:2], -1)
        return views, image_targets(model, batch, recipe.clip, recipe.precision)
    return model.depth_features(prefix_of(entries)), entries.target
