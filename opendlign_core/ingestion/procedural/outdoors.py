"""Instruments, plants and buildings."""

from __future__ import annotations

import numpy as np

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.parts import counted, shell, spaced
from opendlign_core.ingestion.procedural.primitives import bar, box, cylinder, loft, prism, sphere, spline
from opendlign_core.ingestion.procedural.shape import Category, Draw, Shape
from opendlign_core.ingestion.procedural.solid import (
    FloatArray,
    Solid,
    Surface,
    both_sides,
    copies,
    deferred,
    join,
    plain,
)


def _waisted(lower: float, waist: float, upper: float, height: float, nick: float = 0.0) -> FloatArray:
    """The outline of a guitar or violin body, standing on y = 0; `nick` pinches the waist's corners."""
    right = spline(
        [(0.0, 0.0), (lower * 0.75, height * 0.04), (lower, height * 0.26), (waist + nick, height * 0.5),
         (waist, height * 0.6), (waist + nick, height * 0.68), (upper, height * 0.8), (upper * 0.7, height * 0.97),
         (0.0, height)], 22,
    )  # fmt: skip
    return np.concatenate([right, right[-2:0:-1] * (-1, 1)])


def guitar(draw: Draw) -> Shape:
    """Upright, strings towards +z."""
    height, lower = draw.uniform(0.44, 0.52), draw.uniform(0.17, 0.21)
    outline = _waisted(lower, lower * draw.uniform(0.6, 0.75), lower * draw.uniform(0.72, 0.85), height)
    electric = draw.chance(0.4)
    thick = draw.uniform(0.04, 0.05) if electric else draw.uniform(0.085, 0.12)
    solid = prism(outline, thick)
    if electric:
        horns = (np.abs(outline[:, 0]) > lower * 0.4) & (outline[:, 1] > height * 0.8)
        raised = outline + np.outer(horns, (0, 0.08))
        solid = join(prism(raised, thick), box(0.07, 0.02, 0.02, (0, height * 0.4, thick / 2)).painted(Paint.BLACK))
    else:
        solid += (
            cylinder(0.048, 0.004, segments=18).turn("x", 90).move(y=height * 0.66, z=thick / 2).painted(Paint.BLACK)
        )
    solid = solid.named("body")
    neck = draw.uniform(0.36, 0.46)
    front = thick / 2 - 0.01
    head = prism([(-0.028, 0), (0.028, 0), (0.042, 0.15), (-0.042, 0.15)], 0.02).bend(-10).move(y=height + neck)
    solid = join(
        solid,
        box(0.052, neck + height * 0.25, 0.03, (0, height + neck / 2 - height * 0.125, front))
        .painted(Paint.WOOD)
        .named("neck"),
        head.move(z=front).painted(Paint.ACCENT).named("head"),
        copies(box(0.11, 0.012, 0.012), spaced(3, height + neck + 0.04, height + neck + 0.12, 1))
        .move(z=front - 0.02)
        .named("head"),
        box(0.15, 0.025, 0.02, (0, height * 0.28, thick / 2)).painted(Paint.BLACK).named("body"),
    )
    return Shape(solid, "", "a long neck", "electric" if electric else "acoustic")


def violin(draw: Draw) -> Shape:
    """Upright, strings towards +z, its bow beside it at times."""
    height = draw.uniform(0.34, 0.38)
    lower = height * draw.uniform(0.28, 0.31)
    outline = _waisted(lower, lower * 0.5, lower * 0.8, height, lower * 0.16)
    neck = draw.uniform(0.12, 0.15)
    scroll = sphere(0.017, 10, 7).scale(1, 1.1, 1.2).move(y=height + neck + 0.06)
    black = join(
        box(0.03, neck + height * 0.36, 0.012, (0, height + neck / 2 - height * 0.18, 0.035)).named("neck"),
        prism([(-0.012, 0.02), (0.012, 0.02), (0.024, height * 0.3), (-0.024, height * 0.3)], 0.01).move(z=0.035),
        box(0.045, 0.02, 0.008, (0, height + neck + 0.03, 0.01)).named("head"),
    ).painted(Paint.BLACK)
    bridge = box(0.045, 0.006, 0.035, (0, height * 0.42, 0.035))
    spine = box(0.024, neck + 0.06, 0.02, (0, height + neck / 2 + 0.03, 0.015)).named("neck")
    solid = join(prism(outline, draw.uniform(0.036, 0.046)), black, bridge, spine, scroll.named("head")).named("body")
    if draw.chance(0.3):
        stick = bar((lower * 1.4, 0, 0), (lower * 1.4, height + neck * 1.6, 0), 0.006).painted(Paint.WOOD).named("bow")
        return Shape(solid + stick, "", "a bow")
    return Shape(solid, "slender" if lower < height * 0.29 else "", "a scroll")


def piano(draw: Draw) -> Shape:
    width = draw.uniform(1.35, 1.55)
    keys = box(width * 0.9, 0.03, 0.15).painted(Paint.WHITE)
    sharps = copies(box(0.018, 0.03, 0.09, (0, 0.02, -0.03)), spaced(18, -width * 0.42, width * 0.42, 0))
    board = join(keys, sharps.painted(Paint.BLACK)).named("keyboard")
    if draw.chance(0.55):
        height, depth = draw.uniform(1.05, 1.35), draw.uniform(0.35, 0.45)
        solid = join(
            box(width, height, depth, (0, height / 2, 0)),
            box(width, 0.1, 0.26, (0, 0.64, depth / 2 + 0.12)),
            board.move(y=0.71, z=depth / 2 + 0.16),
            both_sides(box(0.06, 0.62, 0.06, (width / 2 - 0.05, 0.31, depth / 2 + 0.2))).named("leg"),
            box(width * 0.5, 0.22, 0.02, (0, 0.9, depth / 2 + 0.02)).painted(Paint.ACCENT),
        )
        return Shape(solid.named("body"), "", "a row of keys", "upright")
    length = draw.uniform(1.5, 2.3)
    bend = [(0.5, -0.45), (0.1, -0.8), (-0.25, -1.0), (-0.5, -0.9)]
    edge = spline([(width / 2, -0.4), *((x * width, z * length) for x, z in bend)], 12)
    outline = np.concatenate([[(-width / 2, 0.0), (width / 2, 0.0)], edge]) * (1, -1)
    case = prism(outline, 0.26).turn("x", -90).move(y=0.85)
    lid = (
        prism(outline, 0.02).turn("x", -90).move(x=width / 2).turn("z", draw.uniform(25, 40)).move(x=-width / 2, y=1.0)
    )
    leg = cylinder(0.04, 0.74, 0.06).named("leg")
    legs = copies(leg, [(width * 0.42, 0, -0.15), (-width * 0.42, 0, -0.15), (-width * 0.2, 0, -length * 0.85)])
    shelf = join(box(width, 0.12, 0.24, (0, 0.76, 0.1)), board.move(y=0.84, z=0.12))
    solid = join(case, lid.painted(Paint.ACCENT).named("lid"), legs, shelf).named("body")
    return Shape(solid, "", "an open lid", "grand")


def tree(draw: Draw) -> Shape:
    height = draw.uniform(2.5, 5.5)
    trunk = cylinder(height * 0.035, height * 0.6, height * 0.02, 10).painted(Paint.WOOD).named("trunk")
    style = draw.pick(("conifer", "round", "palm"))
    if style == "conifer":
        layers = draw.integer(2, 5)
        cones = [
            cylinder(height * (0.26 - 0.15 * k / layers), height * 0.75 / layers * 1.35, 0.01, 14)
            .move(y=height * (0.22 + 0.72 * k / layers))
            for k in range(layers)
        ]  # fmt: skip
        return Shape(join(trunk, *cones).named("leaves"), "pointed", counted(layers, "layer"))
    if style == "palm":
        return Shape(_palm(draw, height), "tall", "long leaves")
    balls = []
    for _ in range(draw.integer(3, 7)):
        size, angle, out = height * draw.uniform(0.14, 0.22), draw.uniform(0, 6.28), height * draw.uniform(0.02, 0.16)
        ball = sphere(size, 12, 8).scale(1, draw.uniform(0.8, 1.1), 1)
        balls.append(ball.move(np.cos(angle) * out, height * draw.uniform(0.55, 0.85), np.sin(angle) * out))
    return Shape(join(trunk, *balls).named("leaves"), "leafy", "a round crown")


def _palm(draw: Draw, height: float) -> Solid:
    lean = draw.uniform(-0.25, 0.25) * height
    trunk = bar((0, 0, 0), (lean, height * 0.8, 0), height * 0.035, height * 0.022).painted(Paint.WOOD).named("trunk")
    return join(
        trunk,
        _fronds(draw, draw.integer(7, 11), height * 0.34, height * 0.06).painted(Paint.BODY).move(lean, height * 0.8),
    ).named("leaves")


def _fronds(draw: Draw, count: int, reach: float, width: float, lift: float = 0.35) -> Solid:
    """Thin curved leaves that spread from the origin."""
    leaves = []
    for i in range(count):
        size, droop = reach * draw.uniform(0.8, 1.1), reach * draw.uniform(-0.35, 0.1)
        top = size * lift * draw.uniform(0.7, 1.4)
        line = spline([(0, 0), (size * 0.5, top), (size, droop + top * 0.4)], 7)
        half = np.array([0.15, 0.7, 1.0, 0.95, 0.75, 0.4, 0.05])[:, None] * width / 2
        strip = np.stack(
            [np.broadcast_to(line[:, :1], (7, 2)), np.broadcast_to(line[:, 1:], (7, 2)), half * [[-1, 1]]], -1
        )
        leaves.append(_ribbon(strip).turn("y", 360.0 * i / count + draw.uniform(-15, 15)))
    return join(*leaves)


@deferred
def _ribbon(strip: FloatArray) -> Surface:  # [K, 2, 3]
    rows = len(strip)
    start = np.arange(rows - 1)[:, None] * 2
    faces = np.concatenate([start + np.array(corner) for corner in ((0, 1, 3), (0, 3, 2))])
    return plain(strip.reshape(-1, 3), faces, Paint.LEAF)


def potted_plant(draw: Draw) -> Shape:
    rim, tall = draw.uniform(0.08, 0.16), draw.uniform(0.1, 0.22)
    pot = shell(np.array([(rim * draw.uniform(0.6, 0.9), 0.0), (rim, tall)]), 0.008)
    soil = cylinder(rim * 0.92, 0.005).move(y=tall * 0.9).painted(Paint.WOOD)
    style = draw.pick(("leaves", "cactus", "bush"))
    if style == "cactus":
        height = draw.uniform(0.14, 0.3)
        plant = sphere(0.5, 12, 9).scale(rim * 1.0, height, rim * 1.0).move(y=tall + height * 0.42)
        arm = sphere(0.5, 10, 7).scale(rim * 0.5, height * 0.45, rim * 0.5)
        plant += arm.move(rim * 0.6, tall + height * 0.6).painted(Paint.LEAF)
    elif style == "bush":
        ball = sphere(rim * 1.1, 12, 8)
        spots = draw.rng.uniform((-0.7, 0.7, -0.7), (0.7, 1.8, 0.7), (draw.integer(3, 6), 3)) * rim
        plant = copies(ball, spots).move(y=tall)
    else:
        plant = _fronds(draw, draw.integer(6, 12), draw.uniform(0.2, 0.36), 0.07, draw.uniform(0.7, 1.6)).move(
            y=tall * 0.9
        )
    detail = {"leaves": "long leaves", "cactus": "a cactus", "bush": "a round bush"}[style]
    solid = join(pot.named("pot"), soil.named("pot"), plant.painted(Paint.LEAF).named("leaves"))
    return Shape(solid, "", detail)


_HIP = np.array(
    [[(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)], [(-0.3, 1, 0), (0.3, 1, 0), (0.3, 1, 0), (-0.3, 1, 0)]], float
)
"""A roof with four slopes and a short ridge, before scaling."""


def house(draw: Draw) -> Shape:
    width, depth, wall = draw.uniform(5, 9), draw.uniform(5, 8), draw.uniform(2.4, 5.2)
    roof, eave = draw.uniform(1.4, 3.0), 0.35
    gable = prism([(-width / 2 - eave, wall), (width / 2 + eave, wall), (0, wall + roof)], depth + 2 * eave)
    if draw.chance(0.35):
        gable = loft(_HIP).scale(width / 2 + eave, roof, depth / 2 + eave).move(y=wall)
    door = box(1.0, 2.0, 0.12, (draw.uniform(-0.2, 0.2) * width, 1.0, depth / 2)).painted(Paint.WOOD).named("door")
    panes, floors = draw.integer(2, 3), 2 if wall > 4 else 1
    pane = box(0.9, 0.9, 0.1).painted(Paint.GLASS)
    rows = [copies(pane, spaced(panes, -width * 0.34, width * 0.34, 0)).move(y=1.6 + 2.2 * k) for k in range(floors)]
    front, gable = join(*rows).named("window"), gable.named("roof")
    solid = join(box(width, wall, depth, (0, wall / 2, 0)).named("wall"), gable.painted(Paint.ACCENT), door,
                 front.move(z=depth / 2), front.move(z=-depth / 2))  # fmt: skip
    if draw.chance(0.7):
        solid += box(0.6, roof, 0.6, (draw.pick((-1, 1)) * width * 0.25, wall + roof * 0.8, -depth * 0.15)).named(
            "chimney"
        )
    return Shape(solid, "two-storey" if floors == 2 else "low", "a pitched roof")


def mailbox(draw: Draw) -> Shape:
    width, height, length, post = (
        draw.uniform(0.17, 0.24),
        draw.uniform(0.12, 0.16),
        draw.uniform(0.4, 0.55),
        draw.uniform(0.8, 1.1),
    )
    angle = np.linspace(0, np.pi, 9)
    arch = np.stack([np.cos(angle) * width / 2, height + np.sin(angle) * width / 2], -1)
    body = prism(np.concatenate([arch, [(-width / 2, 0.0), (width / 2, 0.0)]]), length).move(y=post)
    pole = box(0.09, post, 0.09, (0, post / 2, 0)).painted(Paint.WOOD)
    if draw.chance(0.4):
        pole = cylinder(0.05, post).painted(Paint.STEEL)
    flag = join(box(0.01, 0.16, 0.02, (0, 0.08, 0)), box(0.01, 0.06, 0.1, (0, 0.15, 0.04))).painted(Paint.ACCENT)
    flag = flag.turn("x", draw.pick((0.0, 90.0))).move(width / 2 + 0.01, post + height * 0.6, 0.05)
    knob = sphere(0.015, 8, 6).move(y=post + height, z=length / 2 + 0.01).painted(Paint.STEEL)
    body, knob = body.named("body"), knob.named("body")
    return Shape(join(body, pole.named("pole"), flag.named("flag"), knob), "long" if length > 0.48 else "", "a flag")


OUTDOORS = (
    Category("guitar", ("wooden", "plastic"), guitar, ("body", "neck", "head")),
    Category("violin", ("wooden",), violin, ("body", "neck", "head", "bow")),
    Category("piano", ("wooden",), piano, ("body", "keyboard", "leg", "lid")),
    Category("tree", ("wooden", "plastic"), tree, ("trunk", "leaves")),
    Category("potted plant", ("ceramic", "plastic", "wooden"), potted_plant, ("pot", "leaves")),
    Category("house", ("wooden", "brick", "stone"), house, ("wall", "roof", "door", "window", "chimney")),
    Category("mailbox", ("metal", "wooden", "plastic"), mailbox, ("body", "pole", "flag")),
)
