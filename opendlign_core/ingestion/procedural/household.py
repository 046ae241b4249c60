"""Lamps, tools and devices."""

from __future__ import annotations

import numpy as np

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.parts import counted, spaced
from opendlign_core.ingestion.procedural.primitives import bar, box, cylinder, lathe, prism, sphere, spline, tube
from opendlign_core.ingestion.procedural.shape import Category, Draw, Shape
from opendlign_core.ingestion.procedural.solid import Solid, around, both_sides, copies, join


def _shade(draw: Draw, radius: float) -> tuple[Solid, str]:
    """A lamp shade that hangs around y = 0."""
    style = draw.pick(("drum", "cone", "globe"))
    if style == "globe":
        return sphere(radius * 0.8, 16, 11), "a globe"
    top = radius * (draw.uniform(0.85, 1.0) if style == "drum" else draw.uniform(0.3, 0.6))
    height = radius * draw.uniform(0.9, 1.5)
    return lathe([(radius, -height / 2), (top, height / 2)], 24, "none"), f"a {style} shade"


def lamp(draw: Draw) -> Shape:
    """A table lamp or a floor lamp."""
    floor = draw.chance(0.45)
    height, radius = (draw.uniform(1.3, 1.7), 0.2) if floor else (draw.uniform(0.35, 0.6), 0.14)
    radius *= draw.uniform(0.85, 1.25)
    shade, words = _shade(draw, radius)
    shade = shade.move(y=height).painted(Paint.ACCENT).named("shade")
    base = radius * draw.uniform(0.55, 0.9)
    if floor and draw.chance(0.4):
        leg = bar((0, height * 0.85, 0), (0, 0, radius * 1.4), 0.012)
        return Shape(
            join(shade, around(leg, 3, draw.uniform(0, 90)), sphere(0.03).move(y=height * 0.85)).named("stand"),
            "tall",
            words,
        )
    if floor or draw.chance(0.4):
        stand = join(cylinder(base, 0.025), cylinder(0.012, height))
    else:
        belly = draw.uniform(0.3, 0.7) * base
        stand = lathe(spline([(base * 0.7, 0), (belly, height * 0.1), (base * 0.9, height * 0.35),
                              (0.015, height * 0.65), (0.012, height)], 16), 20)  # fmt: skip
    return Shape(stand.named("stand") + shade, "tall" if floor else "small", words)


def street_lamp(draw: Draw) -> Shape:
    height, radius = draw.uniform(3.5, 6.0), draw.uniform(0.05, 0.08)
    pole = join(cylinder(radius * 2.2, height * 0.08, radius * 1.4), cylinder(radius * 1.3, height, radius * 0.8))
    pole = pole.named("pole")
    if draw.chance(0.35):
        cage = join(
            cylinder(0.14, 0.45, 0.24, 6).painted(Paint.GLASS), cylinder(0.28, 0.2, 0.03, 6).move(y=0.45)
        ).named("head")
        return Shape(join(pole, cage.move(y=height)), "tall", "a lantern")
    reach, rise = draw.uniform(0.7, 1.5), draw.uniform(0.1, 0.5)
    arm = tube(spline([(0, height, 0), (0, height + rise, reach * 0.3), (0, height + rise, reach)], 9), radius * 0.7)
    arm = arm.named("arm")
    head = box(0.26, 0.12, 0.6, (0, height + rise - 0.02, reach + 0.1)).painted(Paint.ACCENT).named("head")
    arms = draw.pick((1, 1, 2))
    return Shape(join(pole, around(join(arm, head), arms)), "tall", counted(arms, "curved arm"))


def ladder(draw: Draw) -> Shape:
    height, width, rungs = draw.uniform(1.6, 3.2), draw.uniform(0.35, 0.55), draw.integer(5, 11)
    taper = draw.uniform(0.75, 1.0)
    rail = bar((width / 2, 0, 0), (width / 2 * taper, height, 0), draw.uniform(0.02, 0.032), segments=4).named("rail")
    levels = np.linspace(0.08, 0.95, rungs)
    halves = width / 2 * (1 + (taper - 1) * levels)
    steps = [
        bar((-w, height * y, 0), (w, height * y, 0), 0.016).named("rung") for w, y in zip(halves, levels, strict=True)
    ]
    front = join(both_sides(rail), *steps)
    if draw.chance(0.4):
        rear = both_sides(bar((width * 0.4, 0, 0), (width * 0.35, height * 0.98, 0), 0.018, segments=4)).named("rail")
        lean = draw.uniform(10, 18)
        back = rear.move(y=-height).turn("x", lean).move(y=height)
        front = front.move(y=-height).turn("x", -lean).move(y=height)
        return Shape(join(front, back), "", counted(rungs, "step"), "folding")
    return Shape(front.bend(-draw.uniform(0, 15)), "tall" if height > 2.4 else "", counted(rungs, "rung"))


def umbrella(draw: Draw) -> Shape:
    radius, length, ribs = draw.uniform(0.4, 0.6), draw.uniform(0.7, 0.9), draw.integer(6, 10)
    depth = radius * draw.uniform(0.35, 0.65)
    dome = spline([(radius, 0), (radius * 0.75, depth * 0.55), (0.01, depth)], 9)
    canopy = lathe(dome, ribs, "none").move(y=length - depth).named("canopy")
    shaft = cylinder(0.008, length + 0.06).painted(Paint.STEEL).named("pole")
    hook = spline([(0, 0, 0), (0, -0.08, 0), (0.04, -0.13, 0), (0.09, -0.09, 0), (0.09, -0.05, 0)], 10)
    crook = draw.chance(0.65)
    grip = tube(hook, 0.013) if crook else cylinder(0.018, 0.14).move(y=-0.12)
    detail = "a hooked handle" if crook else "a straight handle"
    grip = grip.painted(Paint.WOOD).named("handle")
    return Shape(join(canopy, shaft, grip).turn("x", draw.uniform(-12, 12)), "open", detail)


def hammer(draw: Draw) -> Shape:
    """Standing on the end of its handle."""
    length, head = draw.uniform(0.28, 0.42), draw.uniform(0.09, 0.15)
    handle = lathe(spline([(0.014, 0), (0.018, length * 0.2), (0.011, length * 0.6), (0.013, length)], 9), 12)
    style = draw.pick(("claw", "sledge", "ball"))
    face = cylinder(head * 0.17, head * 0.55, segments=14).turn("z", -90)
    if style == "sledge":
        block = box(head * 1.3, head * 0.42, head * 0.42)
    elif style == "ball":
        block = join(
            face, sphere(head * 0.2, 12, 8).move(x=-head * 0.4), bar((-head * 0.4, 0, 0), (0, 0, 0), head * 0.1)
        )
    else:
        curve = spline([(0, 0, 0.004), (-head * 0.4, 0.004, 0.012), (-head * 0.8, -head * 0.28, 0.02)], 7)
        claw = tube(curve, np.linspace(head * 0.13, head * 0.03, 7))
        block = join(face, claw, claw.mirror("z"), box(head * 0.3, head * 0.3, head * 0.26))
    solid = handle.painted(Paint.WOOD).named("handle") + block.move(y=length).named("head")
    detail = {"claw": "a claw", "sledge": "a square head", "ball": "a round head"}[style]
    return Shape(solid, "heavy" if style == "sledge" else "", detail)


def knife(draw: Draw) -> Shape:
    """Lying flat with its blade towards +x, edge down."""
    blade, grip = draw.uniform(0.12, 0.24), draw.uniform(0.09, 0.13)
    style = draw.pick(("chef", "cleaver", "dagger", "table"))
    tall = blade * {"chef": 0.24, "cleaver": 0.45, "dagger": 0.15, "table": 0.11}[style] * draw.uniform(0.85, 1.2)
    if style == "cleaver":
        outline = [(0, -tall * 0.7), (blade, -tall * 0.7), (blade, tall * 0.3), (0, tall * 0.3)]
    elif style == "dagger":
        outline = [(0, -tall / 2), (blade * 0.75, -tall * 0.4), (blade, 0), (blade * 0.75, tall * 0.4), (0, tall / 2)]
    else:
        tip = tall * (draw.uniform(0.0, 0.5) if style == "chef" else 0.3)
        edge = spline([(0, -tall / 2), (blade * 0.6, -tall / 2), (blade, tip)], 8)
        outline = [*map(tuple, edge), (blade * 0.8, tall / 2), (0, tall / 2)]
    thick = max(tall * 0.6, 0.02)
    handle = box(grip, thick, 0.018, (-grip / 2, 0, 0))
    if draw.chance(0.4):
        handle = tube([(0, 0, 0), (-grip * 0.5, 0, 0), (-grip, 0, 0)], (0.011, 0.014, 0.012))
    guard = box(0.012, thick * (2.2 if style == "dagger" else 1.15), 0.024)
    edge_part = prism(np.array(outline), 0.003).painted(Paint.STEEL).named("blade")
    solid = join(edge_part, handle, guard.painted(Paint.STEEL)).named("handle")
    detail = {
        "chef": "a wide blade",
        "cleaver": "a square blade",
        "dagger": "a pointed blade",
        "table": "a thin blade",
    }
    return Shape(solid.turn("z", draw.uniform(-8, 8)), "long" if blade > 0.19 else "short", detail[style])


def laptop(draw: Draw) -> Shape:
    width = draw.uniform(0.29, 0.38)
    depth, thick, opening = width * draw.uniform(0.62, 0.72), draw.uniform(0.008, 0.016), draw.uniform(95, 130)
    lid = box(width, depth, thick * 0.6, (0, depth / 2, 0))
    screen = box(width * 0.92, depth * 0.86, 0.002, (0, depth * 0.52, thick * 0.35)).painted(Paint.BLACK)
    rows = draw.integer(4, 6)
    key = box(width * 0.84, 0.004, depth * 0.4 / rows * 0.75)
    keys = copies(key, spaced(rows, -depth * 0.33, depth * 0.05, 2)).move(y=thick / 2 + 0.002).painted(Paint.BLACK)
    pad = box(width * 0.3, 0.002, depth * 0.22, (0, thick / 2, depth * 0.3)).painted(Paint.STEEL)
    top = join(lid, screen).turn("x", 90 - opening).move(y=thick / 2, z=-depth / 2).named("screen")
    solid = join(box(width, thick, depth), keys, pad, top).named("keyboard")
    return Shape(solid, "thin" if thick < 0.012 else "", "an open screen")


def monitor(draw: Draw) -> Shape:
    width = draw.uniform(0.45, 0.75)
    height, thick = width * draw.uniform(0.5, 0.75), draw.uniform(0.02, 0.09)
    lift = draw.uniform(0.06, 0.16)
    frame = box(width, height, thick, (0, lift + height / 2, 0))
    screen = box(width * 0.93, height * 0.88, 0.004, (0, lift + height * 0.52, thick / 2)).painted(Paint.BLACK)
    neck = box(width * 0.12, lift + height * 0.3, 0.03, (0, (lift + height * 0.3) / 2, -thick / 2 - 0.012))
    if draw.chance(0.5):
        foot = cylinder(width * draw.uniform(0.18, 0.28), 0.015, segments=20)
    else:
        foot = box(width * draw.uniform(0.35, 0.6), 0.015, 0.2)
    solid = join(frame.named("screen"), screen.named("screen"), neck, foot).named("stand")
    return Shape(solid, "wide" if height < width * 0.58 else "", "a stand")


HOUSEHOLD = (
    Category("lamp", ("metal", "wooden", "ceramic"), lamp, ("shade", "stand")),
    Category("street lamp", ("metal",), street_lamp, ("pole", "head", "arm")),
    Category("ladder", ("wooden", "metal"), ladder, ("rail", "rung")),
    Category("umbrella", ("fabric", "plastic"), umbrella, ("canopy", "pole", "handle")),
    Category("hammer", ("metal",), hammer, ("handle", "head")),
    Category("knife", ("metal", "wooden"), knife, ("blade", "handle")),
    Category("laptop", ("metal", "plastic"), laptop, ("screen", "keyboard")),
    Category("monitor", ("plastic", "metal"), monitor, ("screen", "stand")),
)
