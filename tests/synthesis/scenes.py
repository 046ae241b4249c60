"""Depth maps of solids in closed form: white background, nearest point black, as projections make them."""

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples import DepthMaps, Meta


def scene(number: int, side: int) -> NDArray[np.float32]:
    """A ball, a leaning plate or a ring, of a place and size that depend on `number`."""
    rng = np.random.default_rng(number)
    across, down = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32),) * 2)
    across, down = across - rng.uniform(-0.2, 0.2), down - rng.uniform(-0.2, 0.2)
    radius = np.sqrt(across**2 + down**2)
    size = rng.uniform(0.45, 0.7)
    if number % 3 == 0:
        inside, height = radius < size, np.sqrt(np.maximum(size**2 - radius**2, 0))
    elif number % 3 == 1:
        inside, height = (np.abs(across) < size) & (np.abs(down) < size * 0.7), across * rng.uniform(-0.6, 0.6)
    else:
        tube = np.abs(radius - size * 0.75) / (size * 0.25)
        inside, height = tube < 1, np.sqrt(np.maximum(1 - tube**2, 0)) * 0.2
    near = height - height[inside].min() if inside.any() else height
    depth = 0.8 * (1 - near / max(float(near[inside].max()), 1e-6))
    return np.where(inside, np.clip(depth, 0, 0.8), 1.0).astype(np.float32)


def toy(name: str, maps: NDArray[np.float32], caption: str) -> DepthMaps:
    """The depth maps [V, S, S] of a toy that is called so."""
    return DepthMaps.of(Meta(object_id=f"toys/{name}", source="toys", split="train", caption=caption), maps)
