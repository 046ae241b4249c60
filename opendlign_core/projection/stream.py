"""Clouds in, stored depth maps out, in order: reading, computing and encoding at once."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import groupby, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.clip.device import choose_device
from opendlign_core.projection.checks import UnusableCloud, unusable
from opendlign_core.projection.cores import on_all_cores
from opendlign_core.projection.engine import project
from opendlign_core.projection.points import maps_and_places
from opendlign_core.projection.recipe import (
    ProjectionExecution,
    ProjectionRecipe,
    WeightedSplat,
    resolve_recipe,
)
from opendlign_core.samples import Cloud, DepthMaps, Places, Rejected
from opendlign_core.streams import mapped, prefetched

Maps = tuple[Tensor, Places | None] | str
"""Of one cloud, with its points' places if the recipe keeps them; or why there are none."""
Batch = list[tuple[Cloud, Maps]]


def project_clouds(
    clouds: Iterable[Cloud], recipe: str | ProjectionRecipe, execution: ProjectionExecution | None = None
) -> Iterator[DepthMaps | Rejected]:
    """Yield the depth maps of every cloud, or why it has none, in order.

    Clouds may differ in their number of points. What one cloud holds never changes what another becomes, and
    neither do batch size and workers. Closing the generator ends its threads and closes `clouds`.
    """
    chosen, how = resolve_recipe(recipe), execution or ProjectionExecution()
    device = choose_device(how.device)
    batches = prefetched(_batches(clouds, how.batch_size), how.prefetch)
    with closing(mapped(_encoded, _computed(batches, chosen, how, device), how.encode_workers)) as encoded:
        for batch in encoded:
            yield from batch


def _batches(clouds: Iterable[Cloud], size: int) -> Iterator[list[Cloud]]:
    source = iter(clouds)
    try:
        while batch := list(islice(source, size)):
            yield batch
    finally:
        if hasattr(source, "close"):
            source.close()


def _computed(
    batches: Generator[list[Cloud], None, None],
    recipe: ProjectionRecipe,
    how: ProjectionExecution,
    device: torch.device,
) -> Generator[Batch, None, None]:
    """Project whole batches side by side on a CPU, one after the other on a GPU."""
    compute = partial(_batch_maps, recipe=recipe, backend=how.backend, device=device)
    with closing(on_all_cores(compute, batches) if device.type == "cpu" else mapped(compute, batches, 1)) as found:
        yield from found


def _batch_maps(batch: list[Cloud], recipe: ProjectionRecipe, backend: str, device: torch.device) -> Batch:
    taken = [cloud.points[: recipe.first_points] for cloud in batch]
    maps: list[Maps | None] = [_misshapen(points) for points in taken]
    good = [place for place, reason in enumerate(maps) if reason is None]
    for group in _stackable(good, taken, recipe):
        if recipe.places:
            maps[group[0]] = _placed(torch.from_numpy(taken[group[0]]).to(device), recipe)
            continue
        stacked = _stacked([taken[place] for place in group]).to(device)
        for place, result in zip(group, _projected(stacked, recipe, backend), strict=True):
            maps[place] = result
    return [(cloud, result) for cloud, result in zip(batch, maps, strict=True) if result is not None]


def _misshapen(points: NDArray[np.float32]) -> str | None:
    if points.dtype != np.float32:
        return f"points must be float32, got {points.dtype}"
    return None if len(points) else "the cloud has no points"


def _stackable(places: list[int], clouds: list[NDArray[np.float32]], recipe: ProjectionRecipe) -> Iterator[list[int]]:
    """Split places into groups that may share a tensor: padding repeats points, which a mean would notice."""
    if recipe.places:
        yield from ([place] for place in places)
        return
    if not isinstance(recipe.densify, WeightedSplat):
        yield from [places] if places else []
        return
    for _, group in groupby(places, key=lambda place: len(clouds[place])):
        yield list(group)


def _stacked(clouds: list[NDArray[np.float32]]) -> Tensor:
    """Return [B, N, 3]; shorter clouds repeat their last point, which changes no cell."""
    longest = max(len(cloud) for cloud in clouds)
    padded = [np.concatenate([cloud, np.repeat(cloud[-1:], longest - len(cloud), 0)]) for cloud in clouds]
    return torch.from_numpy(np.stack(padded))


def _projected(points: Tensor, recipe: ProjectionRecipe, backend: str) -> list[Maps]:
    """Project what can be projected; the rest of the batch is not affected by what cannot."""
    results: dict[int, Maps] = dict(unusable(points))
    while left := [index for index in range(len(points)) if index not in results]:
        try:
            maps = project(points[left], recipe, backend).cpu()
        except UnusableCloud as error:  # a cloud that only its views show to be flat
            results[left[error.index]] = error.reason
        else:
            results.update((place, (drawn, None)) for place, drawn in zip(left, maps, strict=True))
    return [results[index] for index in range(len(points))]


def _placed(points: Tensor, recipe: ProjectionRecipe) -> Maps:
    """One cloud's maps with the places of its points."""
    if reason := unusable(points[None]):
        return reason[0]
    try:
        maps, places = maps_and_places(points, recipe)
    except UnusableCloud as error:
        return error.reason
    return maps.cpu(), places


def _encoded(batch: Batch) -> list[DepthMaps | Rejected]:
    return [
        Rejected(cloud.meta.object_id, maps) if isinstance(maps, str) else DepthMaps.of(cloud.meta, *maps)
        for cloud, maps in batch
    ]
