"""CADs over photos for people to judge a pose by: shaded, with the edges that can be seen, and their axes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from opendlign_core.camera import Pose
from opendlign_core.pictures.wireframe import edges_of
from opendlign_core.projection.layers import rasterize_layers
from opendlign_core.projection.layers.cameras import clip_coordinates

UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float64]

BODY = (70, 150, 240)
INK = (10, 30, 70)
AXES = (("right", 0, (213, 60, 40)), ("back", 1, (30, 150, 70)), ("up", 2, (40, 70, 200)))
"""What the axes of a CAD point to: x to the right of who stands before its front, y away, z up."""
_AXIS_LENGTH = 0.6
_STEPS = 64
_MARGIN = 16
_CREASE = np.cos(np.radians(25))
_HIDDEN_BY = 0.01
"""An edge is hidden where something is nearer by this share of the CAD's extent."""


@dataclass(frozen=True, eq=False)
class Cad:
    """A mesh in ImageNet3D's frame: z up, its front towards -y."""

    vertices: NDArray[np.floating]  # [V, 3]
    faces: NDArray[np.integer]  # [F, 3]

    @property
    def extent(self) -> float:
        """The diagonal of the box around its triangles."""
        used = self.vertices[np.unique(self.faces)]
        return float(np.linalg.norm(used.max(0) - used.min(0)))

    def normals(self) -> Floats:  # [F, 3]
        """Unit normals of the triangles; zeros for those without area."""
        a, b, c = np.moveaxis(self.vertices[self.faces].astype(np.float64), 1, 0)
        across = np.cross(b - a, c - a)
        length = np.linalg.norm(across, axis=1, keepdims=True)
        found: Floats = np.divide(across, length, out=np.zeros_like(across), where=length > 0)
        return found


def shaded_overlay(image: UInt8, cad: Cad, pose: Pose, opacity: float = 0.6) -> UInt8:  # [H, W, 3]
    """The photo with the CAD shaded over it, its visible creases and outlines inked, and its axes."""
    depth, shade = _seen(cad, pose, (image.shape[0], image.shape[1]))
    there = np.isfinite(depth)
    out = image.astype(np.float64)
    out[there] += opacity * (shade[there][:, None] * np.array(BODY) - out[there])
    inked = out.clip(0, 255).round().astype(np.uint8)
    _ink_edges(inked, cad, pose, depth)
    return _with_axes(inked, cad, pose)


def _seen(cad: Cad, pose: Pose, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Depth [H, W], infinite where there is nothing, and brightness [H, W] by how far surfaces turn away."""
    apart = cad.vertices[cad.faces].reshape(-1, 3)
    clip = clip_coordinates(apart, [pose], size)
    brightness = np.repeat(_brightness(cad, pose), 3)
    attributes = torch.cat([clip[0, :, 3:], torch.from_numpy(brightness)[:, None]], 1)[None]
    faces = torch.arange(len(apart)).reshape(-1, 3)
    values, coverage = rasterize_layers(clip, faces, attributes, size, 1)
    depth = torch.where(coverage[0, ..., 0], values[0, ..., 0, 0], torch.inf)
    return depth.double().numpy(), values[0, ..., 0, 1].double().numpy()


def _brightness(cad: Cad, pose: Pose) -> Floats:  # [F]
    """Of triangles lit from beside and above the camera; both their sides are alike."""
    turned = cad.normals() @ pose.rotation().T
    light = np.array([-0.35, 0.5, 0.8])
    found: Floats = 0.35 + 0.75 * np.abs(turned @ (light / np.linalg.norm(light)))
    return found


def _ink_edges(image: UInt8, cad: Cad, pose: Pose, depth: Floats) -> None:
    """Colour the pixels of sharp edges that nothing hides."""
    ends = cad.vertices[_sharp_edges(cad)].astype(np.float64)  # [E, 2, 3]
    if not len(ends):
        return
    length = np.linalg.norm(np.diff(pose.project(ends.reshape(-1, 3)).reshape(-1, 2, 2), axis=1)[:, 0], axis=1)
    steps = np.clip(np.nan_to_num(length, nan=0.0, posinf=0.0), 1, 4 * max(depth.shape)).astype(int) * 2
    edge = np.repeat(np.arange(len(ends)), steps)
    share = (np.arange(len(edge)) - np.repeat(np.cumsum(steps) - steps, steps)) / np.repeat(steps, steps)
    points = ends[edge, 0] + share[:, None] * (ends[edge, 1] - ends[edge, 0])
    before = pose.depths(points)
    places = np.floor(np.nan_to_num(pose.project(points), nan=-1.0).clip(-1, 1 << 20)).astype(int)
    column, row = places.T
    inside = (before > 0) & (row >= 0) & (column >= 0) & (row < depth.shape[0]) & (column < depth.shape[1])
    row, column, before = row[inside], column[inside], before[inside]
    seen = before <= _nearby(depth)[row, column] + _HIDDEN_BY * cad.extent
    image[row[seen], column[seen]] = INK


def _nearby(depth: Floats) -> Floats:  # [H, W]
    """The farthest of each pixel's neighbours: an outline lies half outside of what it outlines."""
    padded = np.pad(depth, 1, constant_values=np.inf)
    rows, columns = depth.shape
    moved = [padded[i : i + rows, j : j + columns] for i in (0, 1, 2) for j in (0, 1, 2)]
    farthest: Floats = np.maximum.reduce(moved)
    return farthest


def _sharp_edges(cad: Cad) -> NDArray[np.int64]:  # [E, 2]
    """Edges where the surface bends or ends."""
    edges = edges_of(cad.faces)
    ordered = np.sort(cad.faces, axis=1).astype(np.int64)
    pairs = np.concatenate([ordered[:, [0, 1]], ordered[:, [0, 2]], ordered[:, [1, 2]]])
    count = len(cad.vertices)
    place = np.searchsorted(edges[:, 0] * count + edges[:, 1], pairs[:, 0] * count + pairs[:, 1])
    normals = np.tile(cad.normals(), (3, 1))
    # Triangles may be wound either way: normals count up to their sign, measured against the edge's first triangle.
    first = np.zeros((len(edges), 3))
    first[place[::-1]] = normals[::-1]
    bend = np.ones(len(edges))
    np.minimum.at(bend, place, np.abs((normals * first[place]).sum(1)))
    faces = np.bincount(place, minlength=len(edges))
    sharp: NDArray[np.int64] = edges[(bend < _CREASE) | (faces == 1)]
    return sharp


def _with_axes(image: UInt8, cad: Cad, pose: Pose) -> UInt8:
    picture = Image.fromarray(image)
    side = min(image.shape[:2])
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=max(10, side // 28))
    for word, axis, colour in AXES:
        along = np.zeros((_STEPS, 3))
        along[:, axis] = np.linspace(0, _AXIS_LENGTH * cad.extent, _STEPS)
        if (places := _within(picture, along, pose)) is None:
            continue
        pen.line([places[0], places[-1]], fill=colour, width=max(2, side // 160))
        pen.text(places[-1], word, fill=colour, font=font, anchor="mm", stroke_width=2, stroke_fill=(255, 255, 255))
    return np.array(picture)


def _within(picture: Image.Image, along: Floats, pose: Pose) -> list[tuple[float, float]] | None:
    """Where the beginning of an axis is seen, up to where it leaves the picture; None where nothing of it is."""
    places, margin = pose.project(along), _MARGIN
    inside = (places >= margin).all(1) & (places <= np.array(picture.size) - margin).all(1) & (pose.depths(along) > 0)
    count = len(inside) if inside.all() else int(np.argmin(inside))
    return [(x, y) for x, y in places[:count].tolist()] if count > 1 else None
