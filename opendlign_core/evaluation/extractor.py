"""From depth maps to view features: every map through every branch that needs it, once, in batches across objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from opendlign_core.clip.features import unit
from opendlign_core.clip.pixels import Statistics, prepare_pixels
from opendlign_core.clip.spec import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.features import EvalSample, FeaturePlan, Floats, ViewFeatures
from opendlign_core.evaluation.finite import require_finite
from opendlign_core.evaluation.model import EvaluatedModel, SharedPrefixEncoder
from opendlign_core.evaluation.specs import Branch, PixelNorm

_PIXELS: dict[PixelNorm, Statistics | None] = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "clip": (CLIP_MEAN, CLIP_STD),
    "none": None,
}


_REMEDY = "the weights have diverged or are damaged: train with a lower peak_lr, or evaluate another model"


@dataclass(frozen=True)
class Extractor:
    """Runs one model over samples; the same settings give the same features whatever the batch."""

    model: EvaluatedModel
    plan: FeaturePlan
    pixels: PixelNorm = "model"
    precision: str = "float32"
    image_batch: int = 160

    def extract(self, samples: Iterable[EvalSample]) -> ViewFeatures:
        """Features of all samples; depth maps are held one batch at a time."""
        parts = [features for _, features in self.stream(samples)]
        if not parts:
            raise BadInput("no samples to extract features from; check the data set's sources and split")
        ids = tuple(name for part in parts for name in part.object_ids)
        labels = tuple(label for part in parts for label in part.labels)
        base, depth, images = (
            _joined([getattr(part, name) for part in parts]) for name in ("base", "depth", "images")
        )
        return ViewFeatures(ids, labels, self.plan, base, depth, images)

    def stream(self, samples: Iterable[EvalSample]) -> Iterator[tuple[list[EvalSample], ViewFeatures]]:
        """Batches of samples with their features, for callers that keep neither."""
        views = max(1, len({*self.plan.base, *self.plan.depth}))
        for batch in _batched(samples, max(1, self.image_batch // views)):
            with torch.inference_mode():
                base, depth = self._depth_features(batch)
                images = self._image_features(batch)
            ids, labels = tuple(sample.object_id for sample in batch), tuple(sample.label for sample in batch)
            for part, origin in ((base, "base branch"), (depth, "depth branch"), (images, "encoder of images")):
                require_finite(part, ids, f"the {origin} gives features", _REMEDY)
            yield batch, ViewFeatures(ids, labels, self.plan, base, depth, images)

    def _depth_features(self, batch: list[EvalSample]) -> tuple[Floats, Floats]:
        depth = torch.from_numpy(np.stack([_checked(sample, self.plan) for sample in batch]))  # [B, V, H, W]
        found: dict[Branch, dict[int, torch.Tensor]] = {"base": {}, "depth": {}}
        for views, through_base, through_depth in self.plan.groups():
            flat = _channels_first(depth[:, list(views)].flatten(0, 1))  # [B * v, 1 or 3, H, W]
            for branch, features in self._encode(flat, through_base, through_depth):
                for view, column in zip(views, features.view(len(batch), len(views), -1).unbind(1), strict=True):
                    found[branch][view] = column
        return _stacked(found["base"], self.plan.base, batch), _stacked(found["depth"], self.plan.depth, batch)

    def _encode(self, maps: torch.Tensor, base: bool, depth: bool) -> Iterator[tuple[Branch, torch.Tensor]]:
        encoder = self.model.encoder
        results: dict[Branch, list[torch.Tensor]] = {"base": [], "depth": []}
        wanted: tuple[Branch, ...] = (*(("base",) if base else ()), *(("depth",) if depth else ()))
        for chunk in torch.split(maps, self.image_batch):
            images = self._to_device(chunk.expand(-1, 3, -1, -1))
            with self.model.autocast(self.precision):
                if base and depth and isinstance(encoder, SharedPrefixEncoder):
                    pair = encoder.encode_both(images)
                    results["base"].append(unit(pair[0].float()).cpu())
                    results["depth"].append(unit(pair[1].float()).cpu())
                    continue
                for branch in wanted:
                    results[branch].append(unit(encoder.encode_image(images, branch=branch).float()).cpu())
        for branch, parts in results.items():
            if parts:
                yield branch, torch.cat(parts)

    def _image_features(self, batch: list[EvalSample]) -> Floats:
        """Painted images through the frozen branch; zeros for samples that have none."""
        rows = [row for row, sample in enumerate(batch) if sample.images is not None]
        if not rows:
            return np.zeros((len(batch), 0, 0), np.float32)
        stacked = np.stack([sample.images for sample in batch if sample.images is not None])  # [P, V, H, W, 3]
        flat = _channels_first(torch.from_numpy(stacked).flatten(0, 1)).float() / 255
        found = self.encode_pictures(flat).reshape(len(rows), stacked.shape[1], -1)
        features = np.zeros((len(batch), *found.shape[1:]), np.float32)
        features[rows] = found
        return features

    def encode_pictures(self, pictures: torch.Tensor) -> Floats:
        """Unit features [N, E] of pictures [N, 3, H, W] in [0, 1] through the frozen branch."""
        parts = []
        with torch.inference_mode():
            for chunk in torch.split(pictures, self.image_batch):
                pixels = self._to_device(chunk)
                with self.model.autocast(self.precision):
                    parts.append(unit(self.model.encoder.encode_image(pixels, branch="base").float()).cpu())
        features: Floats = torch.cat(parts).numpy()
        return features

    def _to_device(self, images: torch.Tensor) -> torch.Tensor:
        return prepare_pixels(images.to(self.model.device), self.model.image_size, self._statistics())

    def _statistics(self) -> Statistics | None:
        return statistics_of(self.model, self.pixels)


def statistics_of(model: EvaluatedModel, pixels: PixelNorm) -> Statistics | None:
    """Mean and deviation that a method's pixels are normalised with; None leaves them as they are."""
    return (model.mean, model.std) if pixels == "model" else _PIXELS[pixels]


def _checked(sample: EvalSample, plan: FeaturePlan) -> Floats:
    depth = np.asarray(sample.depth, np.float32)
    need = 1 + max((*plan.base, *plan.depth), default=-1)
    if depth.ndim not in (3, 4) or len(depth) < need:
        raise BadInput(f"{sample.object_id}: depth of shape {depth.shape}, expected [{need} or more views, H, W]")
    return depth


def _joined(parts: list[Floats]) -> Floats:
    """All batches in order; a batch without painted images counts as zeros beside batches that have some."""
    shape = max(part.shape[1:] for part in parts)
    return np.concatenate(
        [part if part.shape[1:] == shape else np.zeros((len(part), *shape), np.float32) for part in parts]
    )


def _channels_first(maps: torch.Tensor) -> torch.Tensor:
    """[N, H, W] or [N, H, W, 3] -> [N, 1 or 3, H, W]."""
    return maps.unsqueeze(1) if maps.ndim == 3 else maps.movedim(-1, 1)


def _stacked(columns: dict[int, torch.Tensor], views: tuple[int, ...], batch: list[EvalSample]) -> Floats:
    if not views:
        return np.zeros((len(batch), 0, 0), np.float32)
    stacked: Floats = torch.stack([columns[view] for view in views], dim=1).numpy()
    return stacked


def _batched(samples: Iterable[EvalSample], size: int) -> Iterator[list[EvalSample]]:
    """Runs of at most `size` samples whose depth maps share a shape."""
    batch: list[EvalSample] = []
    for sample in samples:
        if batch and (len(batch) == size or sample.depth.shape != batch[0].depth.shape):
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch
