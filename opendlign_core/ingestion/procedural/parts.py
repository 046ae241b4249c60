"""Building blocks that several categories share: legs, rests, handles, wheels, shells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.primitives import bar, box, cylinder, lathe, prism, spline, torus, tube
from opendlign_core.ingestion.procedural.shape import Draw
from opendlign_core.ingestion.procedural.solid import FloatArray, Point, Solid, around, both_sides, copies, join

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def counted(count: int, noun: str) -> str:
    """Spell a count: `four legs`, `one drawer`."""
    number = NUMBERS[count] if count < len(NUMBERS) else "many"
    return f"{number} {noun}" + ("" if count == 1 else "s")


def corner_legs(draw: Draw, width: float, depth: float, height: float) -> Solid:
    """Four legs from the floor to `height`, straight or splayed, square or round."""
    thick = draw.uniform(0.014, 0.035) * (0.6 + height)
    splay = draw.pick((0.0, 0.0, 0.12, 0.2)) * height
    x, z = width / 2 - thick, depth / 2 - thick
    segments, foot = draw.pick((4, 4, 8)), thick * draw.uniform(0.5, 1.0)
    right = join(
        bar((x + splay, 0, z + splay), (x, height, z), foot, thick, segments),
        bar((x + splay, 0, -z - splay), (x, height, -z), foot, thick, segments),
    )
    return both_sides(right)


def pedestal(draw: Draw, radius: float, height: float) -> Solid:
    """One central column on a disc or a star of feet."""
    column = cylinder(draw.uniform(0.02, 0.045), height)
    if draw.chance(0.5):
        return join(column, lathe([(radius, 0), (radius, 0.015), (0.03, 0.06)]))
    foot = bar((0, 0.09, 0), (0, 0.03, radius), 0.022, 0.014)
    return join(column, around(foot, draw.pick((3, 4, 5)), draw.uniform(0, 90)))


def sled_legs(width: float, depth: float, height: float) -> Solid:
    """Two closed frames of rod, one at each side."""
    x, z, r = width / 2 - 0.02, depth / 2 - 0.02, 0.012
    frame = tube([(x, height, z), (x, r, z), (x, r, -z), (x, height, -z)], r, segments=6)
    return both_sides(frame)


def plank_legs(width: float, depth: float, height: float, thick: float) -> Solid:
    """Two full side panels."""
    return both_sides(box(thick, height, depth, (width / 2 - thick / 2, height / 2, 0)))


def stretchers(width: float, depth: float, height: float, radius: float = 0.012) -> Solid:
    """Four rods that tie the legs together at `height`."""
    x, z = width / 2, depth / 2
    return join(
        copies(bar((-x, height, 0), (x, height, 0), radius), [(0, 0, -z), (0, 0, z)]),
        both_sides(bar((x, height, -z), (x, height, z), radius)),
    )


def spaced(count: int, low: float, high: float, axis: Literal[0, 1, 2]) -> FloatArray:
    """`count` offsets [count, 3] evenly between two positions along one axis, ends included."""
    offsets = np.zeros((count, 3))
    offsets[:, axis] = np.linspace(low, high, count) if count > 1 else (low + high) / 2
    return offsets


def backrest(draw: Draw, width: float, height: float, thick: float) -> Solid:
    """A back that stands on y = 0 in the plane z = 0: a panel, slats, rungs, spindles or an arched shield."""
    style = draw.pick(("panel", "slats", "rungs", "spindles", "arch"))
    if style == "panel":
        return box(width, height * 0.95, thick, (0, height / 2, 0))
    if style == "arch":
        side = np.linspace(0, np.pi, 11)
        outline = np.stack([np.cos(side) * width / 2, height * 0.5 + np.sin(side) * height * 0.5], -1)
        return prism(np.concatenate([outline, [(-width * 0.42, 0.0), (width * 0.42, 0.0)]]), thick)
    posts = both_sides(bar((width / 2 - thick / 2, 0, 0), (width / 2 - thick / 2, height, 0), thick * 0.6, segments=4))
    rail = box(width, height * 0.16, thick, (0, height * 0.92, 0))
    if style == "rungs":
        count = draw.integer(2, 4)
        rung = box(width - thick, height * 0.11, thick * 0.6)
        return join(posts, rail, copies(rung, spaced(count, height * 0.2, height * 0.7, 1)))
    slim = style == "spindles"
    count = draw.integer(4, 7) if slim else draw.integer(2, 4)
    slat = (
        bar((0, 0, 0), (0, height * 0.9, 0), 0.008)
        if slim
        else box(width * 0.14, height * 0.9, thick * 0.5, (0, height * 0.45, 0))
    )
    return join(posts, rail, copies(slat, spaced(count, -width * 0.36, width * 0.36, 0)))


def ear_handle(inner: float, low: float, high: float, reach: float, thickness: float, square: bool = False) -> Solid:
    """A handle in the plane z = 0 that leaves x = inner at `low` and returns at `high`."""
    bulge = reach * (1.0 if square else 0.9)
    middle = (low + high) / 2
    controls = [
        (inner, low, 0), (inner + bulge * 0.75, low, 0), (inner + reach, middle, 0),
        (inner + bulge * 0.75, high, 0), (inner, high, 0),
    ] if not square else [
        (inner, low, 0), (inner + reach, low, 0), (inner + reach, middle, 0),
        (inner + reach, high, 0), (inner, high, 0),
    ]  # fmt: skip
    return tube(controls if square else spline(controls, 13), thickness, segments=7)


def wheel(radius: float, width: float, at: Point) -> Solid:
    """A tyre and its hub with the axle along x."""
    tyre = cylinder(radius, width, segments=18).painted(Paint.BLACK)
    hub = cylinder(radius * 0.55, width * 1.1, segments=10).painted(Paint.STEEL)
    return join(tyre, hub).move(y=-width / 2).turn("z", 90).move(*at)


def axles(radius: float, width: float, half_track: float, stations: Sequence[float]) -> Solid:
    """A pair of wheels at every z of `stations`, standing on the floor."""
    return both_sides(join(*(wheel(radius, width, (half_track, radius, z)) for z in stations))).named("wheel")


def spoked_wheel(radius: float, thickness: float, spokes: int, z: float) -> Solid:
    """A thin wheel in the plane x = 0, standing on the floor at `z`."""
    rim = torus(radius - thickness, thickness, 24, 6).painted(Paint.BLACK)
    spoke = bar((0, 0, 0), (radius - thickness, 0, 0), thickness * 0.22, segments=3).painted(Paint.STEEL)
    return join(rim, around(spoke, spokes)).turn("z", 90).move(y=radius, z=z).named("wheel")


def shell(outer: FloatArray, wall: float, segments: int = 24) -> Solid:
    """An open vessel from its outer profile [K, 2] (radius, height), bottom first, with an inner wall."""
    inner = outer[::-1] - np.array([wall, 0.0])
    inner[:, 0] = np.maximum(inner[:, 0], 0.0)
    inner[-1, 1] += wall
    return lathe(np.concatenate([outer, inner]), segments)


def drawer_fronts(
    draw: Draw, width: float, bottom: float, top: float, count: int, front: float, columns: int = 1
) -> Solid:
    """A grid of drawer fronts with knobs or bars, on the plane z = front."""
    step, wide = (top - bottom) / count, width / columns
    face = box(wide * 0.92, step * 0.88, 0.02, (0, 0, 0.01)).painted(Paint.ACCENT)
    if draw.chance(0.5):
        grip = box(wide * 0.3, 0.015, 0.025, (0, step * 0.15, 0.035)).painted(Paint.STEEL)
    else:
        grip = cylinder(0.016, 0.035, segments=8).turn("x", 90).painted(Paint.STEEL)
    rows = spaced(count, bottom + step / 2, top - step / 2, 1)
    across = spaced(columns, -width / 2 + wide / 2, width / 2 - wide / 2, 0)
    grid = (rows[:, None] + across[None]).reshape(-1, 3)
    return copies(join(face, grip), grid).move(z=front)
