"""Things to sit on. They differ by rests, width and height, and share legs and seats."""

from __future__ import annotations

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.parts import (
    backrest,
    corner_legs,
    counted,
    pedestal,
    plank_legs,
    sled_legs,
    spaced,
    stretchers,
)
from opendlign_core.ingestion.procedural.primitives import bar, box, cylinder, spline, tube
from opendlign_core.ingestion.procedural.shape import Category, Draw, Shape
from opendlign_core.ingestion.procedural.solid import Solid, both_sides, copies, join


def _under(draw: Draw, width: float, depth: float, height: float) -> tuple[Solid, str]:
    """What carries a seat, and how a caption calls it."""
    style = draw.pick(("legs", "legs", "legs", "stretchers", "pedestal", "sled"))
    if style == "pedestal":
        return pedestal(draw, width * 0.5, height).named("leg"), "a pedestal base"
    if style == "sled":
        return sled_legs(width, depth, height).named("leg"), "a sled base"
    legs = corner_legs(draw, width, depth, height)
    if style == "stretchers":
        legs += stretchers(width * 0.92, depth * 0.92, height * draw.uniform(0.25, 0.5))
    return legs.named("leg"), "four legs"


def _seat(draw: Draw, width: float, depth: float, height: float) -> Solid:
    thick = draw.uniform(0.02, 0.07)
    seat = box(width, thick, depth, (0, height - thick / 2, 0))
    if draw.chance(0.35):
        seat += box(width * 0.92, 0.04, depth * 0.92, (0, height + 0.02, 0)).painted(Paint.ACCENT)
    return seat.named("seat")


def _arms(draw: Draw, width: float, depth: float, seat: float, rise: float) -> Solid:
    """Arm rests on posts, closed panels, or bent tubes, at both sides of a seat."""
    x, top, z = width / 2, seat + rise, depth / 2
    style = draw.pick(("posts", "panels", "tubes"))
    if style == "panels":
        return both_sides(box(0.04, rise, depth * 0.95, (x, seat + rise / 2, 0))).named("armrest")
    if style == "tubes":
        path = spline([(x, seat, z * 0.8), (x, top * 0.98, z * 0.8), (x, top, 0), (x, top, -z)], 12)
        return both_sides(tube(path, 0.017, segments=6)).named("armrest")
    rest = box(draw.uniform(0.04, 0.08), 0.03, depth, (x, top, 0))
    post = bar((x, seat - 0.03, z * 0.8), (x, top, z * 0.8), 0.016, segments=4)
    return both_sides(join(rest, post)).named("armrest")


def chair(draw: Draw) -> Shape:
    width, depth, height = draw.uniform(0.36, 0.5), draw.uniform(0.36, 0.48), draw.uniform(0.4, 0.5)
    under, words = _under(draw, width, depth, height)
    rest = draw.uniform(0.32, 0.62)
    back = backrest(draw, width * draw.uniform(0.85, 1.0), rest, 0.03).bend(-draw.uniform(0, 14))
    solid = join(under, _seat(draw, width, depth, height), back.move(y=height, z=-depth / 2 + 0.015).named("back"))
    return Shape(solid, "high-backed" if rest > 0.52 else "", words)


def armchair(draw: Draw) -> Shape:
    width, depth, height = draw.uniform(0.5, 0.66), draw.uniform(0.44, 0.6), draw.uniform(0.36, 0.46)
    if draw.chance(0.4):
        return _club_chair(draw, width + 0.12, depth + 0.1)
    under, words = _under(draw, width, depth, height)
    back = backrest(draw, width * 0.95, draw.uniform(0.36, 0.6), 0.04).bend(-draw.uniform(2, 16))
    arms = _arms(draw, width, depth, height, draw.uniform(0.16, 0.26))
    solid = join(under, _seat(draw, width, depth, height), back.move(y=height, z=-depth / 2).named("back"), arms)
    return Shape(solid, "", f"arm rests and {words}")


def _club_chair(draw: Draw, width: float, depth: float) -> Shape:
    solid = _upholstered(draw, width, depth, draw.uniform(0.36, 0.44), 1)
    return Shape(solid, "padded", "wide arm rests")


def _upholstered(draw: Draw, width: float, depth: float, seat: float, cushions: int) -> Solid:
    """A box seat with thick arms, a thick back and separate cushions."""
    arm, back = draw.uniform(0.09, 0.18), draw.uniform(0.12, 0.2)
    rise, rest = draw.uniform(0.14, 0.26), draw.uniform(0.3, 0.5)
    foot = draw.uniform(0.04, 0.14)
    inner = (width - 2 * arm) / cushions
    cushion = box(inner * 0.96, 0.13, depth - back, (0, seat - 0.02, back / 2)).painted(Paint.ACCENT).named("seat")
    pillow = box(inner * 0.94, rest * 0.8, 0.12, (0, seat + rest * 0.45, -depth / 2 + back)).bend(-6).named("back")
    reach = (cushions - 1) * inner / 2
    return join(
        box(width, seat - foot - 0.06, depth, (0, (seat + foot - 0.06) / 2, 0)).named("seat"),
        box(width - 0.02, rest + 0.1, back, (0, seat + rest / 2 - 0.05, -depth / 2 + back / 2)).named("back"),
        both_sides(box(arm, seat + rise - foot, depth, (width / 2 - arm / 2, (seat + rise + foot) / 2, 0))).named(
            "armrest"
        ),
        copies(join(cushion, pillow), spaced(cushions, -reach, reach, 0)),
        corner_legs(draw, width - 0.06, depth - 0.06, foot).named("leg"),
    )


def stool(draw: Draw) -> Shape:
    height, width = draw.uniform(0.4, 0.8), draw.uniform(0.3, 0.42)
    tall = height > 0.62
    under, words = _under(draw, width * 0.8, width * 0.8, height)
    if draw.chance(0.65):
        seat = cylinder(width / 2, draw.uniform(0.03, 0.08), segments=22).move(y=height)
    else:
        seat = box(width, draw.uniform(0.03, 0.06), width, (0, height + 0.02, 0))
    if tall and words == "four legs":
        under += stretchers(width * 0.78, width * 0.78, height * 0.35, 0.01).named("leg")
    return Shape(join(under, seat.named("seat")), "tall" if tall else "low", words)


def bench(draw: Draw) -> Shape:
    width, depth, height = draw.uniform(1.0, 1.7), draw.uniform(0.32, 0.48), draw.uniform(0.4, 0.48)
    planks = draw.integer(1, 4)
    plank = box(width, 0.035, depth / planks * 0.86)
    half = depth * (1 - 1 / planks) / 2
    seat = copies(plank, spaced(planks, -half, half, 2)).move(y=height).named("seat")
    under = draw.pick((corner_legs(draw, width, depth, height), plank_legs(width * 0.9, depth, height, 0.05)))
    under = under.named("leg")
    if draw.chance(0.45):
        return Shape(join(under, seat), "long", "no back")
    rails = draw.integer(1, 3)
    rail = box(width, 0.3 / rails * 0.8, 0.025)
    posts = copies(box(0.04, 0.42, 0.03, (0, 0.21, -0.02)), spaced(draw.integer(2, 4), -width * 0.42, width * 0.42, 0))
    back = join(copies(rail, spaced(rails, 0.16, 0.36, 1)), posts).bend(-8).move(y=height, z=-depth / 2)
    return Shape(join(under, seat, back.named("back")), "long", "a back rest")


def sofa(draw: Draw) -> Shape:
    cushions = draw.integer(2, 4)
    width = cushions * draw.uniform(0.52, 0.68) + 0.3
    solid = _upholstered(draw, width, draw.uniform(0.75, 0.95), draw.uniform(0.38, 0.46), cushions)
    return Shape(solid, "wide", counted(cushions, "cushion"))


SEATING = (
    Category("chair", ("wooden", "metal", "plastic"), chair, ("back", "seat", "leg")),
    Category("armchair", ("wooden", "leather", "fabric"), armchair, ("back", "seat", "leg", "armrest")),
    Category("stool", ("wooden", "metal", "plastic"), stool, ("seat", "leg")),
    Category("bench", ("wooden", "metal", "stone"), bench, ("back", "seat", "leg")),
    Category("sofa", ("leather", "fabric"), sofa, ("back", "seat", "leg", "armrest")),
)
