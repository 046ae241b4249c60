"""Materials of the embedded painter: how each reflects light, and the pattern its surface bears."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from opendlign_core.synthesis.noise import Plane, fractal_noise, grain, smoothstep, triangle, value_noise
from opendlign_core.synthesis.surface import Surface

Texture = Callable[[np.random.Generator, Surface], Plane]
"""Draws how much of the second tone shows at each pixel, in [0, 1]."""


@dataclass(frozen=True)
class Material:
    """How a surface answers light; all shares are in [0, 1]."""

    texture: Texture
    contrast: float  # how far the second tone lies from the first
    specular: float = 0.15
    gloss: int = 4  # the highlight is a cosine squared this many times
    rim: float = 0.1
    mirror: float = 0.0  # share of the surroundings that the surface reflects
    grain: float = 0.03
    opacity: float = 1.0
    tones: tuple[tuple[float, float, float], ...] = ()  # natural colours; empty means any


def direction(rng: np.random.Generator, flat: float = 1.0) -> tuple[np.float32, np.float32, np.float32]:
    """A random unit vector; `flat` below 1 keeps it near the image plane."""
    x, y, z = rng.random(3) * 2 - 1
    z *= flat
    length = (x * x + y * y + z * z) ** 0.5 + 1e-6
    return np.float32(x / length), np.float32(y / length), np.float32(z / length)


def along(surface: Surface, axis: tuple[np.float32, np.float32, np.float32], per_window: float) -> Plane:
    """A coordinate that runs through the solid object along `axis`, `per_window` units over its longer side."""
    rows, columns = surface.size
    longer = max(rows, columns)
    scale = np.float32(per_window / longer)
    plane = surface.height * (axis[2] * np.float32(longer) * scale)
    plane += (np.arange(columns, dtype=np.float32) * (axis[0] * scale))[None]
    plane += (np.arange(rows, dtype=np.float32) * (axis[1] * scale))[:, None]
    return plane


def plain(rng: np.random.Generator, surface: Surface) -> Plane:
    return fractal_noise(rng, *surface.size, int(rng.integers(2, 6)), 2)


def wood(rng: np.random.Generator, surface: Surface) -> Plane:
    """Rings around an axis, bent by noise, with fine fibres along it."""
    shape = surface.size
    rings = along(surface, direction(rng, 0.4), float(rng.uniform(4, 11)))
    rings += value_noise(rng, *shape, 3, 3) * np.float32(rng.uniform(1, 4))
    rings = triangle(rings)
    rings *= np.float32(0.7)
    cells = (5, 90) if rng.random() < 0.5 else (90, 5)
    fibres = value_noise(rng, *shape, *cells)
    fibres *= np.float32(0.3)
    rings += fibres
    return rings


def brushed(rng: np.random.Generator, surface: Surface) -> Plane:
    """Fine parallel scratches over slow changes of tone."""
    shape = surface.size
    scratches = value_noise(rng, *shape, *((3, 120) if rng.random() < 0.5 else (120, 3)))
    scratches += value_noise(rng, *shape, 3, 3)
    scratches *= np.float32(0.5)
    return scratches


def veins(rng: np.random.Generator, surface: Surface) -> Plane:
    """Clouds crossed by thin lines where folded noise comes to a crease."""
    shape = surface.size
    folds = fractal_noise(rng, *shape, int(rng.integers(2, 5)), 4)
    lines = smoothstep(np.abs(folds - np.float32(0.5)), 0.0, float(rng.uniform(0.03, 0.09)))
    np.subtract(np.float32(1), lines, out=lines)
    lines *= np.float32(0.7)
    folds *= np.float32(0.5)
    lines += folds
    return np.minimum(lines, np.float32(1), out=lines)


def weave(rng: np.random.Generator, surface: Surface) -> Plane:
    """Two crossing sets of threads."""
    threads = float(rng.uniform(18, 34))
    warp = along(surface, direction(rng, 0.2), threads)
    weft = along(surface, direction(rng, 0.2), threads)
    cloth = triangle(warp)
    cloth += triangle(weft)
    cloth *= np.float32(0.35)
    cloth += value_noise(rng, *surface.size, 4, 4) * np.float32(0.3)
    return cloth


def creases(rng: np.random.Generator, surface: Surface) -> Plane:
    """The small irregular fields of leather."""
    cells = int(rng.integers(18, 32))
    fields = fractal_noise(rng, *surface.size, cells, 2)
    fields -= np.float32(0.5)
    np.abs(fields, out=fields)
    fields *= np.float32(3)
    return np.minimum(fields, np.float32(1), out=fields)


def speckle(rng: np.random.Generator, surface: Surface) -> Plane:
    """Coarse grains, as of rough stone."""
    plane = fractal_noise(rng, *surface.size, int(rng.integers(4, 9)), 3)
    plane += grain(rng, *surface.size)
    return np.clip(plane, 0, 1, out=plane)


def bricks(rng: np.random.Generator, surface: Surface) -> Plane:
    """Courses of bricks with pale joints, every second course shifted by half a brick."""
    courses = along(surface, (np.float32(0), np.float32(1), np.float32(0)), float(rng.uniform(7, 12)))
    rows = np.floor(courses)
    lengths = along(surface, (np.float32(1), np.float32(0), np.float32(0.6)), float(rng.uniform(3, 5)))
    lengths += rows * np.float32(0.5)
    joints = np.maximum(triangle(courses), triangle(lengths) * np.float32(0.97))
    return smoothstep(joints, 0.82, 0.9)


def stripes(rng: np.random.Generator, surface: Surface) -> Plane:
    return smoothstep(triangle(along(surface, direction(rng, 0.5), float(rng.uniform(3, 9)))), 0.45, 0.55)


def checks(rng: np.random.Generator, surface: Surface) -> Plane:
    """Two crossing sets of stripes; squares where exactly one of them is on."""
    first = direction(rng, 0.3)
    count = float(rng.uniform(3, 7))
    one = smoothstep(triangle(along(surface, first, count)), 0.47, 0.53)
    other = smoothstep(triangle(along(surface, (-first[1], first[0], first[2]), count)), 0.47, 0.53)
    return one + other - np.float32(2) * one * other


def dots(rng: np.random.Generator, surface: Surface) -> Plane:
    """Round spots on a slanted lattice."""
    first = direction(rng, 0.3)
    count = float(rng.uniform(4, 9))
    one = triangle(along(surface, first, count))
    other = triangle(along(surface, (-first[1], first[0], first[2]), count))
    return smoothstep(one * one + other * other, 0.2, 0.28)


_WOODS = ((0.55, 0.36, 0.2), (0.72, 0.53, 0.33), (0.4, 0.24, 0.13), (0.82, 0.68, 0.47), (0.5, 0.22, 0.12))
_METALS = ((0.7, 0.71, 0.73), (0.55, 0.56, 0.6), (0.78, 0.65, 0.3), (0.68, 0.42, 0.26), (0.35, 0.36, 0.4))
_STONES = ((0.75, 0.73, 0.7), (0.5, 0.5, 0.49), (0.86, 0.84, 0.8), (0.34, 0.36, 0.36), (0.62, 0.52, 0.42))
_BRICKS = ((0.62, 0.26, 0.18), (0.54, 0.32, 0.22), (0.7, 0.4, 0.28))
_HIDES = ((0.4, 0.23, 0.13), (0.12, 0.11, 0.11), (0.62, 0.42, 0.25), (0.45, 0.12, 0.1))

MATERIALS: dict[str, Material] = {
    "wood": Material(wood, 0.45, specular=0.1, rim=0.05, tones=_WOODS),
    "metal": Material(brushed, 0.2, specular=0.55, gloss=5, rim=0.2, mirror=0.6, grain=0.01, tones=_METALS),
    "stone": Material(veins, 0.4, specular=0.12, grain=0.06, tones=_STONES),
    "rock": Material(speckle, 0.5, specular=0.02, gloss=2, rim=0.03, grain=0.1, tones=_STONES),
    "fabric": Material(weave, 0.35, specular=0.0, gloss=1, rim=0.22, grain=0.07),
    "leather": Material(creases, 0.35, specular=0.25, gloss=3, grain=0.04, tones=_HIDES),
    "glass": Material(plain, 0.1, specular=0.8, gloss=6, rim=0.5, mirror=0.25, grain=0.0, opacity=0.55),
    "ceramic": Material(plain, 0.08, specular=0.6, gloss=6, rim=0.15, mirror=0.1, grain=0.01),
    "brick": Material(bricks, 0.5, specular=0.0, gloss=1, rim=0.02, grain=0.09, tones=_BRICKS),
    "rubber": Material(plain, 0.1, specular=0.04, gloss=2, rim=0.12, grain=0.03),
    "plastic": Material(plain, 0.08, specular=0.4, gloss=5, rim=0.12, grain=0.01),
}
"""What each material word of `words.MATERIALS` looks like; `rock` is the rough kind of stone."""

PATTERNS: dict[str, Texture] = {"stripes": stripes, "checks": checks, "dots": dots}
