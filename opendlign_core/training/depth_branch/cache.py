"""The token cache: everything frozen about an object, computed once and kept as a sample of plain arrays."""

from collections.abc import Iterable
from itertools import islice
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from opendlign_core.clip.alone import each_alone
from opendlign_core.clip.features import object_features
from opendlign_core.clip.pixels import depth_to_input, images_to_input
from opendlign_core.clip.precision import frozen_precision
from opendlign_core.clip.spec import ClipSpec, Precision
from opendlign_core.errors import BadInput
from opendlign_core.loop.sources import InMemory
from opendlign_core.samples import Meta, TokenEntry
from opendlign_core.training.depth_branch.batches import CacheEntries, Objects
from opendlign_core.training.depth_branch.model import DepthAlignedCLIP, Prefix
from opendlign_core.training.depth_branch.recipe import CacheRecipe


def build_entries(
    model: DepthAlignedCLIP, objects: Objects, recipe: CacheRecipe, objects_per_forward: int = 8
) -> CacheEntries:
    """Compute the cache entries of `objects` on the model's device, a few objects at a time.

    On a CPU its threads share those few, each with a forward pass of its own. With how many others an object passes,
    and on how many threads, decides the last bits of rows and target (up to 2e-6 in float32), unless the recipe is
    `repeatable`.
    """
    size = 1 if recipe.repeatable else _share(objects_per_forward, model.device)
    chunks = [
        Objects(*(tensor[first : first + size] for tensor in objects)) for first in range(0, len(objects.depth), size)
    ]

    def build(chunk: Objects) -> CacheEntries:
        return _build(model, chunk, recipe)

    # Entered here as well, because the threads below share the mode that it sets.
    with frozen_precision(recipe.precision, model.device):
        alone = recipe.repeatable or len(chunks) > 1  # a single pass has all threads for itself
        parts = list(each_alone(build, chunks, model.device) if alone else map(build, chunks))
    return CacheEntries(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def _share(objects_per_forward: int, device: torch.device) -> int:
    """How many objects pass the tower at once: what lies in a core's own cache is computed faster."""
    return objects_per_forward if device.type != "cpu" else -(-objects_per_forward // torch.get_num_threads())


def _build(model: DepthAlignedCLIP, objects: Objects, recipe: CacheRecipe) -> CacheEntries:
    views = objects.depth.shape[:2]
    with frozen_precision(recipe.precision, model.device):
        prefix = model.prefix(depth_pixels(model, objects, recipe.clip))
    tokens = prefix.tokens.to(_storage_dtype(model, recipe))
    rows = prefix.rows.to(model.dtype)
    target = image_targets(model, objects, recipe.clip, recipe.precision)
    entries = CacheEntries(tokens.view(*views, *tokens.shape[1:]), rows.view(*views, *rows.shape[1:]), target)
    _require_finite(entries, recipe)
    return entries


def _require_finite(entries: CacheEntries, recipe: CacheRecipe) -> None:
    broken = [name for name, tensor in entries._asdict().items() if not torch.isfinite(tensor).all()]
    if broken:
        raise BadInput(
            f"the frozen tower of {recipe.clip.model} gives {' and '.join(broken)} that are not finite, at precision "
            f"{recipe.precision} kept as {recipe.dtype}; use float32 for both, or look for NaN in its weights"
        )


def depth_pixels(model: DepthAlignedCLIP, objects: Objects, clip: ClipSpec) -> Tensor:
    """CLIP input [B * V, 3, H, W] of the objects' depth maps, on the model's device and in its type."""
    return depth_to_input(objects.depth.to(model.device), clip).to(model.dtype).flatten(0, 1)


def image_targets(model: DepthAlignedCLIP, objects: Objects, clip: ClipSpec, precision: Precision) -> Tensor:
    """Unit object features [B, E] of the objects' images through the frozen tower."""
    pixels = images_to_input(objects.images.to(model.device), clip).to(model.dtype).flatten(0, 1)
    with frozen_precision(precision, model.device):
        features = model.encode_image(pixels, "base").to(model.dtype)
    return object_features(features.view(*objects.images.shape[:2], features.shape[-1]))


def _storage_dtype(model: DepthAlignedCLIP, recipe: CacheRecipe) -> torch.dtype:
    """The recipe's type; a float64 model, as used to check the arithmetic, keeps its own."""
    dtype: torch.dtype = getattr(torch, recipe.dtype)
    return model.dtype if model.dtype == torch.float64 else dtype


def prefix_of(entries: CacheEntries) -> Prefix:
    """The part of cache entries that the depth branch starts from."""
    return Prefix(entries.tokens, entries.rows)


def encode_entry(entries: CacheEntries, index: int, meta: Meta) -> TokenEntry:
    """The entry of one object as a sample."""
    tokens, rows, target = (tensor[index].detach().cpu() for tensor in entries)
    plain = tokens.view(torch.uint16) if tokens.dtype == torch.bfloat16 else tokens
    return TokenEntry(meta, plain.numpy(), rows.numpy(), target.numpy())


def decode_entries(samples: Iterable[TokenEntry]) -> CacheEntries:
    """Stack the entries of objects; raises `ValueError` where there is none."""
    decoded = [_decode(sample) for sample in samples]
    if not decoded:
        raise BadInput("a token cache without objects cannot be trained on")
    return CacheEntries(*(torch.stack(tensors) for tensors in zip(*decoded, strict=True)))


def _decode(sample: TokenEntry) -> tuple[Tensor, Tensor, Tensor]:
    tokens = torch.from_numpy(np.ascontiguousarray(sample.tokens))
    if tokens.dtype == torch.uint16:
        tokens = tokens.view(torch.bfloat16)
    return tokens, torch.from_numpy(sample.rows), torch.from_numpy(sample.target)


def collect(
    samples: Iterable[TokenEntry], count: int, device: torch.device | str = "cpu", chunk: int = 256
) -> InMemory[CacheEntries]:
    """Read `count` objects into memory on `device`, allocated once; raises `ValueError` on another number."""
    samples = iter(samples)
    whole: CacheEntries | None = None
    filled = 0
    while part := list(islice(samples, chunk)):
        entries = decode_entries(part)
        if whole is None:
            whole = CacheEntries(*(tensor.new_empty((count, *tensor.shape[1:]), device=device) for tensor in entries))
        if filled + len(part) > count:
            raise ValueError(f"the token cache holds more than the {count} objects its manifest names")
        for target, tensor in zip(whole, entries, strict=True):
            target[filled : filled + len(part)].copy_(tensor)
        filled += len(part)
    if whole is None or filled < count:
        raise ValueError(f"the token cache holds {filled} of the {count} objects its manifest names")
    return InMemory(whole)


def place(
    source: InMemory[CacheEntries], device: torch.device, placement: Literal["auto", "device", "host"]
) -> InMemory[CacheEntries]:
    """Move a cache to GPU memory when asked to or, with "auto", when it takes under 70% of what is free there.

    What stays on the host is pinned, so that batches travel while the GPU computes.
    """
    if device.type != "cuda" or source.data.tokens.device.type == "cuda":
        return source
    size = sum(tensor.numel() * tensor.element_size() for tensor in source.data)
    fits = size < 0.7 * torch.cuda.mem_get_info(device)[0]
    if placement == "device" or (placement == "auto" and fits):
        return InMemory(CacheEntries(*(tensor.to(device) for tensor in source.data)), source.sizes)
    return InMemory(CacheEntries(*(tensor.pin_memory() for tensor in source.data)), source.sizes)
