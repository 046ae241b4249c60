"""Things that fly or sail: hulls lofted along z, wings, blades and sails. The nose points towards +z."""

from __future__ import annotations

import numpy as np

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.parts import axles, counted, spaced
from opendlign_core.ingestion.procedural.primitives import bar, box, cylinder, lathe, loft, prism, sphere, spline
from opendlign_core.ingestion.procedural.shape import Category, Draw, Shape
from opendlign_core.ingestion.procedural.solid import FloatArray, Solid, around, both_sides, copies, join


def fin(root: float, tip: float, span: float, sweep: float, thick: float) -> Solid:
    """A tapered blade standing on y = 0: chords along z, its leading edge swept back by `sweep`."""
    outline = np.array([(1.0, 0.0), (0.4, 0.5), (0.0, 0.0), (0.4, -0.5)])
    rings = np.empty((2, 4, 3))
    for k, (chord, height, back) in enumerate(((root, 0.0, 0.0), (tip, span, sweep))):
        rings[k, :, 0] = outline[:, 1] * thick * (1.0 if k == 0 else 0.6)
        rings[k, :, 1] = height
        rings[k, :, 2] = (outline[:, 0] - 1.0) * chord - back
    return loft(rings)


def wing(root: float, tip: float, span: float, sweep: float, thick: float, rise: float = 0.0) -> Solid:
    """A pair of wings spread along x, `rise` degrees above the horizontal."""
    return both_sides(fin(root, tip, span, sweep, thick).turn("z", -90 + rise))


def _fuselage(length: float, radius: float, nose: float, tail: float) -> Solid:
    """A round body along z with a blunt nose and a tapering tail."""
    nose_part = spline([(0.04 * radius, 0.0), (radius * 0.7, nose * 0.35), (radius, nose)], 6)[::-1]
    line: FloatArray = np.concatenate(
        [[(radius * 0.15, -length / 2), (radius, -length / 2 + tail)], nose_part * (1, -1) + (0, length / 2)]
    )
    return lathe(line, 18).turn("x", 90)


def airplane(draw: Draw) -> Shape:
    style = draw.pick(("jet", "jet", "propeller"))
    length, radius = draw.uniform(9, 14), draw.uniform(0.55, 0.95)
    jet = style == "jet"
    body = _fuselage(length, radius, length * 0.12, length * draw.uniform(0.25, 0.4))
    span = length * draw.uniform(0.4, 0.55)
    sweep = span * (draw.uniform(0.3, 0.7) if jet else draw.uniform(0.0, 0.1))
    chord = length * draw.uniform(0.14, 0.24)
    level = draw.pick((-radius * 0.4, radius * 0.8)) if not jet else -radius * 0.4
    wings = wing(chord, chord * draw.uniform(0.3, 0.9 if not jet else 0.5), span, sweep, 0.22, draw.uniform(0, 6))
    wings = wings.move(y=level, z=length * 0.12)
    back, tall = -length / 2 + chord * 0.8, draw.uniform(1.5, 2.3)
    tail = join(
        fin(chord * 0.7, chord * 0.35, tall, tall * 0.5, 0.15).move(y=radius * 0.3, z=back).painted(Paint.ACCENT),
        wing(chord * 0.55, chord * 0.3, span * 0.38, span * 0.12, 0.12).move(
            y=radius * 0.3 + (tall * 0.9 if draw.chance(0.25) else 0.0), z=back - chord * 0.1
        ),
    )
    solid = join(body.named("body"), wings.named("wing"), tail.named("tail"))
    if not jet:
        return Shape(_propellers(draw, solid, length, radius), "small", "a propeller")
    count = draw.integer(1, 2)
    engine = cylinder(radius * 0.36, chord * 0.7, segments=12).turn("x", 90).painted(Paint.STEEL)
    pods = [engine.move(span * f, level - radius * 0.45, length * 0.06 - sweep * f) for f in (0.32, 0.6)[:count]]
    return Shape(
        join(solid, both_sides(join(*pods)).named("engine")),
        "long" if length > 12 else "",
        counted(2 * count, "jet engine"),
    )


def _propellers(draw: Draw, plane: Solid, length: float, radius: float) -> Solid:
    blade = box(0.18, length * 0.1, 0.05, (0, length * 0.05, 0)).painted(Paint.BLACK)
    count = draw.integer(2, 4)
    disc = join(*(blade.turn("z", 360.0 * i / count) for i in range(count)))
    gear = axles(0.3, 0.14, radius * 1.3, [length * 0.1]).move(y=-radius - 0.6)
    strut = both_sides(
        bar((radius * 0.5, -radius * 0.6, length * 0.1), (radius * 1.3, -radius - 0.3, length * 0.1), 0.06)
    )
    return join(plane, disc.move(z=length / 2 + 0.05).named("propeller"), gear, strut.named("wheel"))


def helicopter(draw: Draw) -> Shape:
    radius, long = draw.uniform(0.85, 1.15), draw.uniform(1.3, 1.9)
    cabin = sphere(radius, 16, 11).scale(0.85, 1.0, long)
    front = sphere(radius, 16, 11).scale(0.8, 0.8, 0.8).move(y=0.08, z=radius * (long - 0.72)).painted(Paint.GLASS)
    tail = draw.uniform(3.2, 4.6)
    end = -radius * long * 0.6 - tail
    boom = bar((0, 0.25, -radius * long * 0.6), (0, 0.55, end), 0.36, 0.12)
    tail_fin = fin(0.8, 0.45, draw.uniform(0.9, 1.3), 0.5, 0.1).move(y=0.4, z=end + 0.4).painted(Paint.ACCENT)
    mast = cylinder(0.12, 0.5).move(y=radius * 0.95)
    blades, span = draw.integer(2, 5), draw.uniform(3.6, 4.8)
    blade = box(0.26, 0.05, span, (0, 0, span / 2)).painted(Paint.BLACK)
    rotor = around(blade, blades, draw.uniform(0, 90)).move(y=radius + 0.45)
    small = copies(box(0.04, 1.3, 0.14), [(0.2, 0.7, end + 0.1)]).painted(Paint.BLACK)
    skid_y = -radius - draw.uniform(0.25, 0.5)
    skid = bar((radius * 0.85, skid_y, -radius * 1.3), (radius * 0.85, skid_y, radius * 1.5), 0.06)
    strut = bar((radius * 0.4, -radius * 0.5, 0), (radius * 0.85, skid_y, 0), 0.05)
    gear = both_sides(join(skid, copies(strut, [(0, 0, -radius * 0.6), (0, 0, radius * 0.7)]))).painted(Paint.STEEL)
    tail_parts = [piece.named("tail") for piece in (boom, tail_fin)]
    solid = join(cabin, front, *tail_parts, mast, rotor.named("rotor"), small.named("tail"), gear.named("skid")).named(
        "body"
    )
    return Shape(solid, "", counted(blades, "rotor blade"))


def rocket(draw: Draw) -> Shape:
    height, radius = draw.uniform(6, 10), draw.uniform(0.5, 1.0)
    nose, waist = height * draw.uniform(0.2, 0.35), radius * draw.uniform(0.75, 1.0)
    tip = spline([(radius, 0), (radius * 0.75, nose * 0.5), (0.02, nose)], 8) + np.array((0, height - nose))
    body = lathe(np.concatenate([[(waist, 0.0), (radius, height * 0.2)], tip[:1]]), 20)
    cone = lathe(tip, 20).painted(Paint.ACCENT).named("nose")
    count, span = draw.pick((3, 4)), radius * draw.uniform(0.9, 1.8)
    root = height * draw.uniform(0.16, 0.3)
    tip_chord, sweep = root * draw.uniform(0.3, 0.7), root * draw.uniform(0.3, 0.9)
    # Turned to spread along +z from the hull, its chord running down from y = 0.
    blade = fin(root, tip_chord, span, sweep, 0.14).turn("x", 90).mirror("y")
    length = max(root, tip_chord + sweep)
    fins = (
        around(blade.move(y=length - draw.uniform(-0.3, 0.5), z=waist * 0.85), count)
        .painted(Paint.ACCENT)
        .named("fin")
    )
    nozzle = cylinder(waist * 0.75, 0.5, waist * 0.4).move(y=-0.5).painted(Paint.BLACK).named("engine")
    solid = join(body.named("body"), cone, fins, nozzle)
    if draw.chance(0.35):
        booster = join(cylinder(radius * 0.4, height * 0.5), cylinder(radius * 0.4, radius, 0.02).move(y=height * 0.5))
        solid += both_sides(booster.move(x=radius * 1.35)).painted(Paint.WHITE).named("booster")
    return Shape(solid, "slender" if radius < 0.7 else "", counted(count, "fin"))


def _hull(length: float, beam: float, depth: float, stern: float) -> Solid:
    """A boat's hull along z, open at the top, deck edge at y = 0; `stern` is its width there, relative."""
    along = np.linspace(0, 1, 9)
    half = beam / 2 * np.interp(along, [0, 0.4, 0.75, 1], [stern, 1.0, 0.75, 0.02])
    keel = depth * np.interp(along, [0, 0.5, 1], [0.75, 1.0, 0.35])
    arc = np.linspace(np.pi, 2 * np.pi, 9)
    rings = np.empty((9, 9, 3))
    rings[..., 0] = half[:, None] * np.cos(arc)
    rings[..., 1] = keel[:, None] * np.sin(arc) + (along**2 * depth * 0.3)[:, None]
    rings[..., 2] = (along * length - length / 2)[:, None]
    return loft(rings)


def sailboat(draw: Draw) -> Shape:
    length, beam = draw.uniform(5, 8), draw.uniform(1.6, 2.2)
    hull = _hull(length, beam, draw.uniform(0.7, 1.0), draw.uniform(0.5, 0.8))
    mast, at = length * draw.uniform(1.0, 1.3), length * draw.uniform(0.02, 0.14)
    pole = cylinder(0.08, mast).move(z=at).painted(Paint.WOOD)
    boom, foot, swing = length * draw.uniform(0.38, 0.5), 0.6, draw.uniform(-25, 25)
    main = prism([(0.0, foot), (0.0, mast * 0.95), (-boom * 0.45, mast * 0.45), (-boom, foot)], 0.04, "x")
    spar = bar((0, foot, 0), (0, foot, -boom), 0.06).painted(Paint.WOOD)
    main = join(main.painted(Paint.WHITE).named("sail"), spar.named("mast")).turn("y", swing).move(z=at)
    solid = join(hull.named("hull"), pole.named("mast"), main)
    sails = 1
    if draw.chance(0.7):
        jib = prism([(at + 0.15, mast * 0.8), (length * 0.46, 0.35), (at + 0.3, 0.6)], 0.04, "x")
        solid, sails = solid + jib.painted(Paint.ACCENT).named("sail"), 2
    if draw.chance(0.4):
        solid += box(beam * 0.5, 0.4, length * 0.25, (0, 0.2, -length * 0.12)).named("cabin")
    return Shape(solid, "tall" if mast > 1.18 * length else "", counted(sails, "sail"))


def ship(draw: Draw) -> Shape:
    """A motor ship with a deck house and funnels."""
    length, beam = draw.uniform(14, 22), draw.uniform(3.2, 4.4)
    depth = draw.uniform(1.6, 2.4)
    hull = _hull(length, beam, depth, draw.uniform(0.8, 1.0))
    decks, at = draw.integer(1, 3), draw.uniform(-0.25, 0.1) * length
    house = [
        box(beam * (0.75 - 0.12 * k), 1.0, length * (0.42 - 0.1 * k), (0, 0.5 + k, at)).painted(Paint.WHITE)
        for k in range(decks)
    ]
    funnels = draw.integer(1, 3)
    funnel = cylinder(0.42, 1.6, 0.36, 12).painted(Paint.ACCENT)
    reach = 0.55 * (funnels - 1)
    stacks = copies(funnel, spaced(funnels, -reach, reach, 2)).move(y=decks, z=at)
    mast = bar((0, 0.3, length * 0.3), (0, 0.3 + draw.uniform(2, 4), length * 0.3), 0.09)
    house = [deck.named("cabin") for deck in house]
    solid = join(hull.named("hull"), *house, stacks.named("chimney"), mast.named("mast"))
    return Shape(solid, "long" if length > 18 else "", counted(funnels, "funnel"))


CRAFT = (
    Category("airplane", ("metal", "plastic"), airplane, ("body", "wing", "tail", "engine", "propeller", "wheel")),
    Category("helicopter", ("metal", "plastic"), helicopter, ("body", "tail", "rotor", "skid")),
    Category("rocket", ("metal", "plastic"), rocket, ("body", "nose", "fin", "engine", "booster")),
    Category("sailboat", ("wooden", "plastic"), sailboat, ("hull", "sail", "mast", "cabin")),
    Category("ship", ("metal", "wooden"), ship, ("hull", "cabin", "chimney", "mast")),
)
