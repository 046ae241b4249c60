"""What stands behind an object: studio sweeps, rooms, walls, landscapes and out-of-focus colour."""

import colorsys

import numpy as np
from numpy.typing import NDArray

from opendlign_core.synthesis.noise import Plane, box_blur, enlarge, fractal_noise, grain, smoothstep, value_noise
from opendlign_core.synthesis.words import Rgb

Image = NDArray[np.float32]  # [3, H, W] in [0, 1]

_SKIES = ((0.46, 0.62, 0.86), (0.72, 0.8, 0.88), (0.9, 0.72, 0.56), (0.55, 0.6, 0.66))
_GROUNDS = ((0.3, 0.42, 0.2), (0.6, 0.52, 0.38), (0.42, 0.4, 0.38), (0.72, 0.68, 0.6), (0.34, 0.26, 0.18))


def random_colour(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Rgb:
    """A colour of any hue within the given ranges of saturation and value."""
    return colorsys.hsv_to_rgb(float(rng.random()), float(rng.uniform(*saturation)), float(rng.uniform(*value)))


def shaded(colour: Rgb, factor: float) -> Rgb:
    """The colour made darker (below 1) or lighter (above 1), with its hue kept."""
    if factor <= 1:
        return colour[0] * factor, colour[1] * factor, colour[2] * factor
    white = min(factor - 1, 1.0)
    return (
        colour[0] + (1 - colour[0]) * white,
        colour[1] + (1 - colour[1]) * white,
        colour[2] + (1 - colour[2]) * white,
    )


def blend(low: Rgb, high: Rgb, share: Plane) -> Image:
    """`low` where share is 0, `high` where it is 1."""
    image = np.empty((3, *share.shape), np.float32)
    for channel in range(3):
        np.multiply(share, np.float32(high[channel] - low[channel]), out=image[channel])
        image[channel] += np.float32(low[channel])
    return image


def paint_backdrop(rng: np.random.Generator, height: int, width: int, colour: Rgb | None) -> Image:
    """A random backdrop; a named colour asks for a studio or a wall in that colour."""
    scenes = (_studio, _wall) if colour is not None else (_studio, _wall, _room, _landscape, _defocus)
    base = colour if colour is not None else random_colour(rng, (0.05, 0.6), (0.25, 0.95))
    image = scenes[int(rng.integers(len(scenes)))](rng, height, width, base)
    image += grain(rng, height, width) * np.float32(rng.uniform(0.0, 0.05))
    return image


def _ramp(length: int) -> Plane:
    return np.arange(length, dtype=np.float32) / np.float32(length)


def _studio(rng: np.random.Generator, height: int, width: int, base: Rgb) -> Image:
    """A seamless sweep: one colour, lit from one corner."""
    share = np.empty((height, width), np.float32)
    share[:] = (_ramp(height) * np.float32(rng.uniform(-0.5, 0.5)))[:, None]
    share += (_ramp(width) * np.float32(rng.uniform(-0.3, 0.3)))[None]
    share += np.float32(0.5)
    return blend(shaded(base, 0.75), shaded(base, 1.2), share)


def _wall(rng: np.random.Generator, height: int, width: int, base: Rgb) -> Image:
    """Plaster or concrete close behind the object."""
    share = fractal_noise(rng, height, width, int(rng.integers(3, 9)), 3)
    return blend(shaded(base, 0.72), shaded(base, 1.15), share)


def _room(rng: np.random.Generator, height: int, width: int, base: Rgb) -> Image:
    """A wall above a floor that bears boards or fine texture."""
    line = int(height * rng.uniform(0.5, 0.8))
    wall = np.empty((line, width), np.float32)
    wall[:] = (_ramp(line) * np.float32(0.5))[:, None]
    floor = value_noise(rng, height - line, width, *((40, 5) if rng.random() < 0.5 else (6, 6)))
    ground = _GROUNDS[int(rng.integers(len(_GROUNDS)))]
    image = np.empty((3, height, width), np.float32)
    image[:, :line] = blend(shaded(base, 1.1), shaded(base, 0.8), wall)
    image[:, line:] = blend(shaded(ground, 0.75), shaded(ground, 1.15), floor)
    return image


def _landscape(rng: np.random.Generator, height: int, width: int, base: Rgb) -> Image:
    """A sky that pales towards a soft horizon, and ground with clumps."""
    sky = _SKIES[int(rng.integers(len(_SKIES)))]
    ground = _GROUNDS[int(rng.integers(len(_GROUNDS)))]
    line = float(rng.uniform(0.45, 0.75))
    image = blend(sky, shaded(sky, 1.6), np.repeat(_ramp(height)[:, None], width, 1))
    clumps = fractal_noise(rng, height, width, int(rng.integers(5, 14)), 3)
    earth = blend(shaded(ground, 0.6), shaded(ground, 1.2), clumps)
    below = smoothstep(_ramp(height), line - 0.02, line + 0.04)[:, None]
    earth -= image
    earth *= below
    image += earth
    return image


def _defocus(rng: np.random.Generator, height: int, width: int, base: Rgb) -> Image:
    """Large soft patches of three colours, as of a scene far behind the focus."""
    other, third = (random_colour(rng, (0.1, 0.8), (0.2, 0.95)) for _ in range(2))
    image = blend(base, other, value_noise(rng, height, width, 5, 5))
    patch = value_noise(rng, height, width, 4, 4)
    for channel in range(3):
        image[channel] += (np.float32(third[channel]) - image[channel]) * patch
    return image


def cast_shadow(rng: np.random.Generator, mask: NDArray[np.bool_], backdrop: Image) -> None:
    """Darken the backdrop where a soft copy of the mask falls, a little aside and below."""
    height, width = mask.shape
    step = max(1, height // 56)
    small = mask[::step, ::step].astype(np.float32)
    soft = box_blur(small, 2, passes=2)
    shift = (int(rng.integers(0, 6)), int(rng.integers(-6, 7)))
    soft = np.roll(soft, shift, (0, 1))
    shadow = enlarge(soft, step, height, width)
    shadow *= np.float32(-rng.uniform(0.1, 0.5))
    shadow += np.float32(1)
    backdrop *= shadow
