"""The embedded painter: images from depth maps, words and a seed, on any machine, with no network.

Every image is painted alone and only with operations that round the same everywhere, so its bytes depend on its depth
map, prompt and seed and on nothing else.
"""

import contextlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from opendlign_core.synthesis.backdrop import (
    Image,
    blend,
    cast_shadow,
    paint_backdrop,
    random_colour,
    shaded,
)
from opendlign_core.synthesis.materials import MATERIALS, PATTERNS, Material
from opendlign_core.synthesis.noise import Plane, grain, smoothstep, value_noise
from opendlign_core.synthesis.painters import PainterDied, Painters
from opendlign_core.synthesis.recipe import ShadedRecipe
from opendlign_core.synthesis.surface import Surface, read_surface
from opendlign_core.synthesis.synthesizer import Painting, Synthesizer
from opendlign_core.synthesis.words import Look, Rgb, read_look

log = logging.getLogger(__name__)
_read_look = lru_cache(maxsize=4096)(read_look)
_LUMA = (np.float32(0.299), np.float32(0.587), np.float32(0.114))


_START_SECONDS = 60.0
_WORTH_PROCESSES = 512
"""Images after which painting in this process alone has cost about as much as starting others."""


class ShadedSynthesizer(Synthesizer):
    """Paints on the CPU: in this process, and where there are many images in `workers` others."""

    batch_size = 64

    def __init__(self, recipe: ShadedRecipe | None = None, workers: int = 1) -> None:
        self.recipe, self.workers = recipe or ShadedRecipe(), workers
        self._painted = 0
        self.painters: Painters | None = None
        self._starting = threading.Lock()

    def prepare(self, images: int) -> None:
        if images >= _WORTH_PROCESSES and self.workers > 1:
            self._painted = max(self._painted, _WORTH_PROCESSES)
            with contextlib.suppress(PainterDied):  # which the first images will meet, and go on without
                self._others(seconds=_START_SECONDS)

    def paint(self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]) -> Painting:
        images = self._paint_elsewhere(depth, prompts, seeds)
        if images is None:
            images = paint_images(depth, prompts, seeds, self.recipe)
        self._painted += len(depth)
        return Painting(images, np.ones(len(depth), np.bool_), self.batch_size)

    def _paint_elsewhere(
        self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]
    ) -> NDArray[np.uint8] | None:
        """The images from painter processes; None while there are none."""
        try:
            others = self._others()
            return None if others is None else others.paint(depth, prompts, seeds)
        except PainterDied as death:
            log.warning("%s; painting goes on in this process", death)
            self.workers, self.painters = 1, None
            return None

    def _others(self, seconds: float = 0.0) -> Painters | None:
        """Painter processes that are ready; started once it is worth it."""
        if self.workers == 1 or self._painted < _WORTH_PROCESSES:
            return None
        with self._starting:
            if self.painters is None:
                self.painters = Painters(self.recipe, self.workers)
            return self.painters if self.painters.ready(seconds) else None


def paint_images(
    depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int], recipe: ShadedRecipe
) -> NDArray[np.uint8]:
    """One image [N, H, W, 3] per depth map [N, H, W], prompt and seed."""
    images = np.empty((*depth.shape, 3), np.uint8)
    for place, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
        paint_view(depth[place], _read_look(prompt), np.random.default_rng(seed), recipe, images[place])
    return images


def paint_view(
    depth: Plane, look: Look, rng: np.random.Generator, recipe: ShadedRecipe, out: NDArray[np.uint8]
) -> None:
    """Paint one depth map [H, W] into `out` [H, W, 3]."""
    canvas = paint_backdrop(rng, depth.shape[0], depth.shape[1], look.backdrop)
    surface = read_surface(depth, recipe.relief)
    if surface is not None:
        _paint_object(canvas, depth.shape, surface, look, rng, recipe)
    for channel, plane in enumerate(canvas):  # plane by plane, so that each stays in the processor's cache
        plane *= np.float32(255)
        plane += np.float32(0.5)
        out[..., channel] = np.clip(plane, 0, 255, out=plane)


def _paint_object(
    canvas: Image,
    shape: tuple[int, ...],
    surface: Surface,
    look: Look,
    rng: np.random.Generator,
    recipe: ShadedRecipe,
) -> None:
    whole = np.zeros(shape, np.bool_)
    whole[surface.rows, surface.columns] = surface.mask
    cast_shadow(rng, whole, canvas)
    material = _choose_material(rng, look)
    body = _body(rng, surface, look, material)
    _keep_contrast(canvas, body, whole, surface.mask, recipe.minimum_contrast)
    window = canvas[:, surface.rows, surface.columns]
    share = surface.mask * np.float32(material.opacity)
    body -= window
    body *= share
    window += body


def _choose_material(rng: np.random.Generator, look: Look) -> Material:
    name = look.material
    if name == "stone" and rng.random() < 0.5:
        name = "rock"
    if name is None:
        names = ("wood", "metal", "stone", "rock", "fabric", "leather", "ceramic", "rubber", "plastic", "plastic")
        name = names[int(rng.integers(len(names)))]
    return MATERIALS[name]


@dataclass(frozen=True)
class _Tones:
    first: Rgb
    second: Rgb
    share: Plane


def _tones(rng: np.random.Generator, surface: Surface, look: Look, material: Material) -> _Tones:
    """The two colours of the surface and how they mix; a named colour is always the first."""
    if look.colours:
        first = shaded(look.colours[0], float(rng.uniform(0.92, 1.04)))
    elif material.tones:
        first = shaded(material.tones[int(rng.integers(len(material.tones)))], float(rng.uniform(0.75, 1.1)))
    else:
        first = random_colour(rng, (0.1, 0.9), (0.35, 0.95))
    if look.pattern is not None or len(look.colours) > 1:
        pattern = look.pattern or ("stripes", "checks", "dots")[int(rng.integers(3))]
        second = look.colours[1] if len(look.colours) > 1 else _partner(first)
        return _Tones(first, second, PATTERNS[pattern](rng, surface))
    return _Tones(first, shaded(first, 1 - material.contrast), material.texture(rng, surface))


def _partner(colour: Rgb) -> Rgb:
    """White beside dark colours, near-black beside light ones."""
    return (0.93, 0.92, 0.9) if _brightness(colour) < 0.5 else (0.13, 0.12, 0.14)


def _brightness(colour: Rgb) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _body(rng: np.random.Generator, surface: Surface, look: Look, material: Material) -> Image:
    """The lit surface, [3, h, w] on the surface's window."""
    tones = _tones(rng, surface, look, material)
    light, shine = _light(rng, surface, material)
    if material.grain:
        light += grain(rng, *light.shape) * np.float32(material.grain)
    if material.mirror:
        light *= _surroundings(rng, surface, material.mirror)
    body = blend(tones.first, tones.second, tones.share)
    warmth = float(rng.uniform(-0.05, 0.05))
    for channel, tint in enumerate((1 + warmth, 1.0, 1 - warmth)):
        body[channel] *= light if tint == 1.0 else light * np.float32(tint)
        body[channel] += shine
    return body


def _light(rng: np.random.Generator, surface: Surface, material: Material) -> tuple[Plane, Plane]:
    """Light from sky, ground and one lamp, and the lamp's reflection with the bright rim."""
    right, down, towards = surface.normal
    x, y, z = float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-0.9, 0.25)), float(rng.uniform(0.35, 1.0))
    length = (x * x + y * y + z * z) ** 0.5
    lamp, sky = float(rng.uniform(0.55, 0.85)), float(rng.uniform(0.3, 0.5))
    facing = right * np.float32(x / length)
    facing += down * np.float32(y / length)
    facing += towards * np.float32(z / length)
    light = np.maximum(facing, np.float32(0))
    light *= np.float32(lamp)
    light += down * np.float32(-0.4 * sky)
    light += np.float32(sky)
    light *= np.float32(1) - np.float32(0.65) * surface.enclosure
    return light, _shine(facing, towards, z / length, material)


def _shine(facing: Plane, towards: Plane, depthwise: float, material: Material) -> Plane:
    """Highlight around the direction halfway to the viewer, and more light at grazing angles."""
    half = (2 * (1 + depthwise)) ** 0.5
    shine = facing + towards
    shine *= np.float32(1 / half)
    np.maximum(shine, np.float32(0), out=shine)
    for _ in range(material.gloss):
        shine *= shine
    shine *= np.float32(material.specular)
    rim = np.float32(1) - towards
    rim *= rim
    rim *= np.float32(material.rim)
    shine += rim
    return shine


def _surroundings(rng: np.random.Generator, surface: Surface, share: float) -> Plane:
    """What a polished surface mirrors: a random bright and dark world, looked up by the normal."""
    side = 64
    world = smoothstep(value_noise(rng, side, side, 5, 7), 0.3, 0.7)
    right, down, _ = surface.normal
    row = ((down + np.float32(1)) * np.float32(side / 2 - 0.01)).astype(np.intp)
    row *= side
    row += ((right + np.float32(1)) * np.float32(side / 2 - 0.01)).astype(np.intp)
    mirrored = world.ravel()[row]
    mirrored *= np.float32(1.3 * share)
    mirrored += np.float32(1 - 0.6 * share)
    return mirrored


def _keep_contrast(
    canvas: Image, body: Image, whole: NDArray[np.bool_], mask: NDArray[np.bool_], minimum: float
) -> None:
    """Darken or lighten the backdrop until its mean brightness differs from the object's."""
    inside = mask[::4, ::4]
    outside = ~whole[::4, ::4]
    if not inside.any() or not outside.any():
        return
    object_level = _mean_luma(body[:, ::4, ::4], inside)
    level = _mean_luma(canvas[:, ::4, ::4], outside)
    if abs(object_level - level) >= minimum:
        return
    darker = object_level - minimum
    goal = (
        darker
        if (level <= object_level and darker > 0.08) or object_level + minimum > 0.92
        else object_level + minimum
    )
    if goal <= level:
        canvas *= np.float32(goal / max(level, 1e-3))
    else:
        white = np.float32((goal - level) / max(1 - level, 1e-3))
        canvas *= np.float32(1) - white
        canvas += white


def _mean_luma(image: Image, where: NDArray[np.bool_]) -> float:
    total = sum(weight * channel[where].sum(dtype=np.float64) for weight, channel in zip(_LUMA, image, strict=True))
    return float(total) / int(where.sum())
