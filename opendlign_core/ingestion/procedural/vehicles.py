"""Road vehicles and cycles: a side outline extruded, a cabin, wheels. The front looks towards +z."""

from __future__ import annotations

import numpy as np

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.parts import axles, counted, spaced, spoked_wheel
from opendlign_core.ingestion.procedural.primitives import bar, box, cylinder, prism, sphere, spline, tube
from opendlign_core.ingestion.procedural.shape import Category, Draw, Shape
from opendlign_core.ingestion.procedural.solid import Solid, both_sides, copies, join


def _lamps(width: float, height: float, front: float) -> Solid:
    lamp = cylinder(0.09, 0.04, segments=10).turn("x", 90)
    return both_sides(lamp.move(width * 0.36, height, front - 0.02)).painted(Paint.WHITE)


def car(draw: Draw) -> Shape:
    length, width, radius = draw.uniform(3.4, 4.9), draw.uniform(1.6, 1.9), draw.uniform(0.29, 0.36)
    waist, roof = draw.uniform(0.78, 0.95), draw.uniform(1.3, 1.65)
    style = draw.pick(("sedan", "hatchback", "coupe"))
    front, back, low = length / 2, -length / 2, radius * 0.6
    hood = front - length * draw.uniform(0.2, 0.28)
    trunk = {"sedan": back + length * 0.2, "hatchback": back + length * 0.03, "coupe": back + length * 0.1}[style]
    rear_roof = {"sedan": trunk + 0.4, "hatchback": trunk + 0.2, "coupe": trunk + 0.9}[style]
    body = prism([(back, low), (front, low), (front, waist * 0.8), (hood, waist), (back, waist)], width, "x")
    outline = [(trunk, waist), (hood, waist), (hood - 0.65, roof), (rear_roof, roof)]
    cabin = prism(outline, width * 0.84, "x")
    glass = prism([(z * 0.94, y * 0.99) for z, y in outline], width * 0.85, "x").painted(Paint.GLASS).named("window")
    wheels = axles(radius, 0.2, width / 2 - 0.08, (front - length * 0.19, back + length * 0.19))
    solid = join(body, cabin, glass, wheels, _lamps(width, waist * 0.7, front)).named("body")
    return Shape(solid, {"sedan": "long", "hatchback": "small", "coupe": "sporty"}[style], "four wheels")


def truck(draw: Draw) -> Shape:
    length, width, radius = draw.uniform(5.0, 7.5), draw.uniform(1.9, 2.3), draw.uniform(0.4, 0.52)
    cab, roof, deck = draw.uniform(1.4, 1.9), draw.uniform(2.0, 2.6), radius * 1.5
    front, back = length / 2, -length / 2
    nose = draw.pick((0.15, 0.9))
    cabin = prism(
        [(front - cab, deck * 0.7), (front, deck * 0.7), (front, deck + 0.55), (front - nose, deck + 0.7),
         (front - nose - 0.25, roof), (front - cab, roof)], width * 0.94, "x",
    )  # fmt: skip
    window = box(width * 0.95, 0.45, cab * 0.4, (0, roof - 0.4, front - nose - cab * 0.3)).painted(Paint.GLASS)
    cabin = cabin.named("cabin")
    frame = box(width * 0.6, 0.2, length * 0.97, (0, deck * 0.8, 0)).painted(Paint.BLACK)
    bay = length - cab - 0.15
    middle = back + bay / 2
    style = draw.pick(("box", "box", "flatbed", "tanker"))
    if style == "box":
        height = draw.uniform(1.7, 2.3)
        load = box(width, height, bay, (0, deck + height / 2, middle))
    elif style == "tanker":
        load = cylinder(width * 0.42, bay).turn("x", 90).move(y=deck + width * 0.42, z=middle - bay / 2)
    else:
        side = box(0.06, 0.5, bay, (width / 2, deck + 0.25, middle))
        load = join(box(width, 0.1, bay, (0, deck, middle)), both_sides(side))
    stations = [front - cab * 0.5, back + length * 0.12] + ([back + length * 0.27] if draw.chance(0.5) else [])
    wheels = axles(radius, 0.28, width / 2 - 0.12, stations)
    lamps = _lamps(width, deck, front).named("cabin")
    solid = join(
        cabin, window.named("window"), frame.named("frame"), load.painted(Paint.ACCENT).named("load"), wheels, lamps
    )
    detail = {"box": "a cargo box", "tanker": "a tank", "flatbed": "an open bed"}[style]
    return Shape(solid, "long" if length > 6.4 else "", detail)


def bus(draw: Draw) -> Shape:
    length, width, radius = draw.uniform(7.5, 11.5), draw.uniform(2.2, 2.5), draw.uniform(0.42, 0.5)
    decker = draw.chance(0.3)
    height = draw.uniform(3.9, 4.3) if decker else draw.uniform(2.7, 3.1)
    low, front = radius * 0.7, length / 2
    slope = draw.uniform(0.0, 0.5)
    outline = [(-front, low), (front, low), (front, height * 0.45), (front - slope, height), (-front, height)]
    body = prism(outline, width, "x")
    count = draw.integer(5, 9)
    pane = box(width * 1.01, 0.75, length / count * 0.78)
    rows = [height - 0.75] + ([height * 0.43] if decker else [])
    panes = [copies(pane, spaced(count, -length * 0.43, length * 0.38, 2)).move(y=y) for y in rows]
    glass = join(*panes, box(width * 0.9, 0.9, 0.04, (0, height * 0.62, front - slope * 0.4)))
    wheels = axles(radius, 0.3, width / 2 - 0.14, (front - length * 0.2, -front + length * 0.22))
    stripe = box(width * 1.012, 0.25, length * 0.99, (0, height * 0.36, 0)).painted(Paint.ACCENT)
    glass = glass.painted(Paint.GLASS).named("window")
    solid = join(body, glass, wheels, stripe, _lamps(width, low + 0.3, front)).named("body")
    return Shape(solid, "" if decker else "long", "many windows", "double-decker" if decker else "")


def bicycle(draw: Draw) -> Shape:
    radius, base, spokes = draw.uniform(0.28, 0.36), draw.uniform(0.95, 1.1), draw.integer(8, 14)
    rear, fore, tyre = -base / 2, base / 2, draw.uniform(0.014, 0.028)
    crank, seat = (0.0, radius * 0.85, rear * 0.15), (0.0, radius * 2.25, rear * 0.42)
    head, grip = (0.0, radius * 2.2, fore * 0.6), (0.0, radius * draw.uniform(2.5, 2.9), fore * 0.55)
    low = (0.0, radius * 1.8, fore * 0.66)
    r = draw.uniform(0.014, 0.02)
    top = (0.0, seat[1] - draw.uniform(0.05, 0.3), seat[2] * 0.95)
    frame = join(
        bar(crank, seat, r), bar(top, head, r), bar(crank, low, r * 1.15), bar(head, low, r),
        both_sides(bar((0.04, radius, rear), (0.015, crank[1], crank[2]), r * 0.6)),
        both_sides(bar((0.04, radius, rear), (0.015, top[1], top[2]), r * 0.6)),
        both_sides(bar((0.04, radius, fore), (0.02, low[1], low[2]), r * 0.7)),
        bar(head, grip, r),
    )  # fmt: skip
    reach, drop = draw.uniform(0.2, 0.3), draw.chance(0.4)
    curl = (reach, grip[1] - 0.12, grip[2] + 0.06) if drop else (reach, grip[1] + 0.03, grip[2] - 0.12)
    half = tube(spline([grip, (reach * 0.8, grip[1], grip[2] + (0.1 if drop else 0.0)), curl], 7), 0.013, segments=6)
    saddle = sphere(0.1, 12, 7).scale(0.75, 0.3, 1.3).move(y=seat[1] + 0.03, z=seat[2])
    pedals = bar((-0.12, crank[1] - 0.1, crank[2]), (-0.04, crank[1] - 0.1, crank[2]), 0.02)
    drive = cylinder(0.09, 0.01).turn("z", 90).move(0.03, crank[1], crank[2])
    wheels = join(spoked_wheel(radius, tyre, spokes, rear), spoked_wheel(radius, tyre, spokes, fore))
    pedals = join(pedals, pedals.move(0.16, 0.2)).named("pedal")
    black = join(both_sides(half).named("handlebar"), saddle.named("seat"), pedals).painted(Paint.BLACK)
    solid = join(frame, wheels, black, drive.painted(Paint.STEEL)).named("frame")
    return Shape(solid, "sporty" if drop else "", "two wheels")


def motorcycle(draw: Draw) -> Shape:
    radius, base = draw.uniform(0.28, 0.34), draw.uniform(1.25, 1.5)
    rear, fore = -base / 2, base / 2
    wide = draw.uniform(0.06, 0.09)
    grip = draw.uniform(0.95, 1.2)
    engine = box(0.3, 0.3, 0.42, (0, radius * 1.2, 0.02)).painted(Paint.STEEL)
    tank = sphere(0.24, 14, 9).scale(0.7, 0.6, 1.2).move(y=0.78, z=0.16)
    saddle = prism(spline([(-0.62, 0.72), (-0.35, 0.74), (0.0, 0.68), (-0.3, 0.6), (-0.6, 0.64)], 12), 0.26, "x")
    fork = both_sides(bar((0.09, radius, fore), (0.07, grip - 0.05, fore - 0.4), 0.024)).painted(Paint.STEEL)
    bars = both_sides(bar((0.0, grip - 0.05, fore - 0.4), (0.36, grip, fore - 0.52), 0.018)).painted(Paint.BLACK)
    swing = both_sides(bar((0.1, radius, rear), (0.1, radius * 1.1, 0.0), 0.03))
    shock = both_sides(bar((0.1, radius, rear + 0.02), (0.1, 0.66, rear * 0.55), 0.024)).painted(Paint.STEEL)
    angle = np.radians(np.linspace(20, 150, 8))
    arc = np.stack([np.zeros(8), radius + np.sin(angle) * radius * 1.18, np.cos(angle) * radius * 1.18], -1)
    guard = tube(arc, 0.06, segments=6)
    exhaust = bar((0.16, radius * 0.8, 0.1), (0.17, radius * 0.9, rear - 0.1), 0.045).painted(Paint.STEEL)
    lamp = sphere(0.09, 10, 7).move(y=grip - 0.14, z=fore - 0.32).painted(Paint.WHITE)
    wheels = [spoked_wheel(radius, wide, 8, z) for z in (rear, fore)]
    engine, tank, saddle = engine.named("engine"), tank.named("tank"), saddle.painted(Paint.BLACK).named("seat")
    bars = bars.named("handlebar")
    solid = join(engine, tank, saddle, fork, bars, swing, shock, exhaust, lamp, *wheels)
    solid = join(solid, guard.move(z=rear), guard.move(z=fore))
    if draw.chance(0.4):
        solid += box(0.36, 0.36, 0.02, (0, 0, 0)).bend(-25).move(y=grip + 0.05, z=fore - 0.34).painted(Paint.GLASS)
    return Shape(solid.named("frame"), "heavy" if wide > 0.075 else "", "two thick wheels")


def train(draw: Draw) -> Shape:
    """A steam locomotive."""
    length, width, boiler = draw.uniform(6.0, 8.5), draw.uniform(2.2, 2.6), draw.uniform(0.7, 0.95)
    front, deck, count = length / 2, 1.25, draw.integer(3, 5)
    cab, height = length * draw.uniform(0.2, 0.28), draw.uniform(3.2, 3.7)
    axis = deck + boiler + 0.1
    barrel = cylinder(boiler, length - cab - 0.2, segments=20).turn("x", 90).move(y=axis, z=-front + cab)
    cabin = box(width, height - deck, cab, (0, (height + deck) / 2, -front + cab / 2)).painted(Paint.ACCENT)
    roof = box(width * 1.12, 0.12, cab * 1.15, (0, height, -front + cab / 2))
    stack = cylinder(0.2, draw.uniform(0.7, 1.1), draw.uniform(0.2, 0.42)).move(y=axis + boiler * 0.9, z=front - 0.7)
    dome = sphere(0.36, 12, 7).move(y=axis + boiler, z=draw.uniform(-0.4, 0.6))
    catcher = prism([(front - 0.2, 0.2), (front + 0.7, 0.15), (front, deck)], width * 0.7, "x").painted(Paint.ACCENT)
    radius = min(0.62, length / count / 2.4)
    wheels = axles(radius, 0.16, width * 0.38, list(np.linspace(-front + 0.8, front - 0.9, count)))
    frame = box(width * 0.92, 0.25, length, (0, deck, 0)).painted(Paint.BLACK)
    barrel, cabin = barrel.named("barrel"), join(cabin, roof).named("cabin")
    solid = join(barrel, cabin, stack.named("chimney"), dome.named("barrel"), catcher, wheels, frame).named("frame")
    return Shape(solid, "", counted(2 * count, "wheel"))


VEHICLES = (
    Category("car", ("metal", "plastic"), car, ("body", "window", "wheel")),
    Category("truck", ("metal", "plastic"), truck, ("cabin", "window", "load", "frame", "wheel")),
    Category("bus", ("metal", "plastic"), bus, ("body", "window", "wheel")),
    Category("bicycle", ("metal",), bicycle, ("frame", "wheel", "seat", "handlebar", "pedal")),
    Category("motorcycle", ("metal",), motorcycle, ("frame", "wheel", "seat", "handlebar", "tank", "engine")),
    Category("train", ("metal", "wooden", "plastic"), train, ("barrel", "cabin", "chimney", "wheel", "frame")),
)
