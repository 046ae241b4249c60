"""The depth branch in training; cached and plain training differ in `depth_views` alone."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from opendlign_core.clip.features import object_features
from opendlign_core.loop.curves import Panel
from opendlign_core.loop.distributed import World, gather_features
from opendlign_core.loop.learner import Validated
from opendlign_core.loop.order import share_sizes
from opendlign_core.loop.schedule import Cycle, Pace
from opendlign_core.training.depth_branch.batches import CacheEntries, Objects
from opendlign_core.training.depth_branch.cache import build_entries, depth_pixels, image_targets, prefix_of
from opendlign_core.training.depth_branch.losses import Alignment, alignment
from opendlign_core.training.depth_branch.model import LOG_SCALE, DepthAlignedCLIP
from opendlign_core.training.depth_branch.recipe import TrainRecipe
from opendlign_core.training.depth_branch.validation import Validation, validate

MAX_LOG_SCALE = 4.6052  # ln 100, the bound CLIP puts on a learned temperature


class DepthBranchLearner:
    """Aligns the depth branch of `model` with the frozen tower's view of the painted images.

    A learned temperature is the CLIP's own, so that the model is at any time what its tensors say.
    """

    remedy = "lower train.peak_lr, or raise train.warmup"
    panels = (
        Panel("training loss", "train", ("total",)),
        Panel(
            "held-out accuracy",
            "validation",
            ("depth_to_image", "base_depth_to_image", "zero_shot", "base_zero_shot"),
            (0.0, 1.0),
        ),
    )

    def __init__(
        self,
        model: DepthAlignedCLIP,
        recipe: TrainRecipe,
        world: World | None = None,
        validation: Validation | None = None,
    ) -> None:
        self.model, self.recipe, self.world, self.validation = model.train(), recipe, world or World(), validation
        self.parameters = model.trainable()
        self.log_scale = model.learn_temperature(recipe.temperature == "learned")
        self.cycle = Cycle(
            recipe.peak_lr,
            recipe.warmup,
            recipe.start_divisor,
            recipe.end_divisor,
            recipe.beta1_low,
            recipe.beta1_high,
        )
        self.optimiser = self._make_optimiser()

    def pace(self, step: int, steps: int) -> Pace:
        return self.cycle.at(step, steps)

    def loss(self, batch: CacheEntries | Objects, size: int) -> dict[str, Tensor]:
        """The objective over all processes' shares of a batch of `size` objects."""
        return self.alignment(batch, size)._asdict()

    def alignment(self, batch: CacheEntries | Objects, size: int) -> Alignment:
        views, targets = depth_views(self.model, batch, self.recipe)
        counts = share_sizes(size, self.world.ranks)
        depth = gather_features(object_features(views), counts, self.world)
        image = gather_features(targets, counts, self.world)
        return alignment(depth, image, self.log_scale, self.recipe)

    def split_parameters(self) -> Iterable[nn.Parameter]:
        """The attention alone: every process computes the temperature's whole gradient."""
        return self.parameters.values()

    def after_update(self) -> None:
        if self.log_scale.requires_grad:
            self.log_scale.data.clamp_(max=MAX_LOG_SCALE)

    def tensors(self) -> dict[str, Tensor]:
        learned = {LOG_SCALE: self.log_scale.detach().reshape(())} if self.log_scale.requires_grad else {}
        return self.model.branch_state() | learned

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.model.load_branch_state(tensors)

    def validate(self) -> Validated | None:
        if self.validation is None:
            return None
        found = validate(self.model.eval(), self.validation, self.recipe)
        self.model.train()
        return Validated(found, found["depth_to_image"] + found["image_to_depth"])

    def _make_optimiser(self) -> torch.optim.AdamW:
        """Learning rate and first momentum are set before every step, by the cycle."""
        optimiser = torch.optim.AdamW(
            self.parameters.values(),
            lr=self.recipe.peak_lr / self.recipe.start_divisor,
            betas=(self.recipe.beta1_high, self.recipe.beta2),
            eps=self.recipe.eps,
            weight_decay=self.recipe.weight_decay,
        )
        if self.log_scale.requires_grad:
            optimiser.add_param_group({"params": [self.log_scale], "weight_decay": 0.0})
        return optimiser


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
