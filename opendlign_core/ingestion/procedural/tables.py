"""Tables, beds and things that store: flat tops, boxes, boards and drawers."""

from __future__ import annotations

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.parts import (
    NUMBERS,
    backrest,
    corner_legs,
    counted,
    drawer_fronts,
    pedestal,
    plank_legs,
    spaced,
    stretchers,
)
from opendlign_core.ingestion.procedural.primitives import box, cylinder
from opendlign_core.ingestion.procedural.shape import Category, Draw, Shape
from opendlign_core.ingestion.procedural.solid import Solid, both_sides, copies, join


def table(draw: Draw) -> Shape:
    height = draw.pick((draw.uniform(0.68, 0.78), draw.uniform(0.4, 0.5)))
    width, depth, thick = draw.uniform(0.8, 1.7), draw.uniform(0.6, 0.95), draw.uniform(0.02, 0.06)
    form = "low" if height < 0.55 else ""
    if draw.chance(0.35):
        top = cylinder(width / 2, thick, segments=28).move(y=height)
        round_leg = draw.chance(0.6)
        under = (
            pedestal(draw, width * 0.3, height) if round_leg else corner_legs(draw, width * 0.6, width * 0.6, height)
        )
        return Shape(
            join(top.named("top"), under.named("leg")), "round", "a pedestal base" if round_leg else "four legs"
        )
    top = box(width, thick, depth, (0, height + thick / 2, 0)).named("top")
    if draw.chance(0.25):
        under = plank_legs(width * 0.9, depth * 0.9, height, 0.05).named("leg")
        return Shape(join(top, under), form, "two side panels")
    under = corner_legs(draw, width * 0.96, depth * 0.94, height).named("leg")
    if draw.chance(0.3):
        under += stretchers(width * 0.9, depth * 0.86, height * 0.2).named("leg")
    elif draw.chance(0.5):
        under += box(width * 0.88, 0.08, depth * 0.86, (0, height - 0.04, 0)).named("top")
    return Shape(join(top, under), form, "four legs")


def _pedestal_of_drawers(draw: Draw, width: float, depth: float, height: float) -> tuple[Solid, int]:
    count, foot = draw.integer(2, 4), draw.uniform(0.0, 0.1)
    body = box(width, height - foot, depth, (0, (height + foot) / 2, 0))
    fronts = drawer_fronts(draw, width, foot + 0.02, height - 0.02, count, depth / 2)
    return (body + fronts).named("drawer"), count


def desk(draw: Draw) -> Shape:
    width, depth, height = draw.uniform(1.1, 1.7), draw.uniform(0.55, 0.8), draw.uniform(0.7, 0.78)
    thick, wide = draw.uniform(0.025, 0.05), draw.uniform(0.3, 0.44)
    top = box(width, thick, depth, (0, height + thick / 2, 0)).named("top")
    drawers, count = _pedestal_of_drawers(draw, wide, depth * 0.92, height)
    x = width / 2 - wide / 2 - 0.02
    side = -1 if draw.chance(0.5) else 1
    solid = top + drawers.move(x=side * x)
    if draw.chance(0.35):
        solid, count = solid + drawers.move(x=-side * x), 2 * count
    elif draw.chance(0.5):
        solid += box(0.04, height, depth * 0.92, (-side * (width / 2 - 0.04), height / 2, 0)).named("leg")
    else:
        leg = box(0.05, height, 0.05, (-side * (width / 2 - 0.04), height / 2, 0)).named("leg")
        solid += copies(leg, [(0, 0, -depth * 0.42), (0, 0, depth * 0.42)])
    if draw.chance(0.6):
        solid += box(width * 0.92, height * draw.uniform(0.3, 0.7), 0.02, (0, height * 0.62, -depth * 0.4)).named(
            "back"
        )
    return Shape(solid, "", counted(count, "drawer"))


def bed(draw: Draw) -> Shape:
    width, length = draw.uniform(0.9, 1.9), draw.uniform(1.9, 2.15)
    base, thick = draw.uniform(0.2, 0.36), draw.uniform(0.14, 0.26)
    head = backrest(draw, width, draw.uniform(0.45, 0.8), 0.06).move(y=base * 0.8, z=-length / 2).named("headboard")
    mattress = (
        box(width * 0.96, thick, length * 0.97, (0, base + thick / 2, 0.02)).painted(Paint.WHITE).named("mattress")
    )
    cover = box(width * 0.99, thick * 0.8, length * 0.6, (0, base + thick * 0.65, length * 0.19))
    cover = cover.painted(Paint.ACCENT).named("mattress")
    pillows = 2 if width > 1.3 else 1
    pillow = box(width / pillows * 0.75, 0.1, 0.36, (0, base + thick + 0.05, -length * 0.36))
    pillow = pillow.painted(Paint.WHITE).named("pillow")
    solid = join(
        box(width, 0.12, length, (0, base - 0.06, 0)).named("frame"),
        head,
        mattress,
        cover,
        copies(pillow, spaced(pillows, -width / 4, width / 4, 0)),
        corner_legs(draw, width, length, base).named("leg"),
    )
    if draw.chance(0.4):
        solid += box(width, draw.uniform(0.3, 0.5), 0.05, (0, base + 0.05, length / 2)).named("frame")
    return Shape(solid, "", f"{counted(pillows, 'pillow')} and a headboard", "double" if pillows == 2 else "single")


def bookshelf(draw: Draw) -> Shape:
    width, depth, height = draw.uniform(0.6, 1.2), draw.uniform(0.24, 0.36), draw.uniform(1.1, 2.1)
    shelves, thick = draw.integer(3, 6), draw.uniform(0.018, 0.035)
    boards = copies(box(width, thick, depth), spaced(shelves + 1, 0.06, height - thick / 2, 1)).named("shelf")
    solid = join(boards, both_sides(box(thick, height, depth, (width / 2, height / 2, 0))).named("side"))
    if draw.chance(0.6):
        solid += box(width, height, 0.012, (0, height / 2, -depth / 2)).named("back")
    if draw.chance(0.3):
        solid += box(thick, height, depth, (0, height / 2, 0)).named("side")
    if draw.chance(0.6):
        solid += _books(draw, width, depth, (height - 0.06) / shelves, shelves).named("book")
    return Shape(solid, "tall" if height > 1.6 else "", f"{NUMBERS[shelves]} shelves")


def _books(draw: Draw, width: float, depth: float, pitch: float, shelves: int) -> Solid:
    """A row of books on some of the shelves."""
    rows = []
    for shelf in range(shelves):
        count = draw.integer(3, 9)
        tall = pitch * draw.uniform(0.55, 0.8)
        book = box(draw.uniform(0.025, 0.05), tall, depth * 0.7, (0, 0.075 + pitch * shelf + tall / 2, 0))
        left = -width * 0.45
        row = copies(book, spaced(count, left, left + width * min(0.88, 0.09 * count), 0))
        rows.append(row.painted(draw.pick((Paint.ACCENT, Paint.BLACK, Paint.LEAF, Paint.GOLD))))
    return join(*rows)


def wardrobe(draw: Draw) -> Shape:
    width, depth, height = draw.uniform(0.8, 1.7), draw.uniform(0.45, 0.62), draw.uniform(1.7, 2.2)
    doors, foot = draw.integer(2, 3), draw.uniform(0.03, 0.12)
    wide = width / doors
    low = foot + (draw.uniform(0.25, 0.4) if draw.chance(0.4) else 0.02)
    door = box(wide * 0.94, height - low - 0.04, 0.025, (0, (height + low) / 2, depth / 2)).painted(Paint.ACCENT)
    grip = box(0.02, draw.uniform(0.1, 0.4), 0.04, (wide * 0.36, height * 0.5, depth / 2 + 0.03)).painted(Paint.STEEL)
    reach = width / 2 - wide / 2
    solid = join(
        box(width, height - foot, depth, (0, (height + foot) / 2, 0)).named("body"),
        copies(door + grip, spaced(doors, -reach, reach, 0)).named("door"),
        corner_legs(draw, width, depth, foot + 0.01).named("leg"),
    )
    if low > foot + 0.1:
        solid += drawer_fronts(draw, width, foot + 0.02, low - 0.02, 1, depth / 2, doors).named("drawer")
    if draw.chance(0.3):
        solid += box(width + 0.1, 0.05, depth + 0.1, (0, height, 0.02)).named("body")
    return Shape(solid, "tall", counted(doors, "door"))


def dresser(draw: Draw) -> Shape:
    width, depth, height = draw.uniform(0.7, 1.4), draw.uniform(0.42, 0.55), draw.uniform(0.7, 1.15)
    rows, columns, foot = draw.integer(3, 5), 2 if width > 1.05 else 1, draw.uniform(0.04, 0.2)
    solid = join(
        box(width, height - foot, depth, (0, (height + foot) / 2, 0)).named("body"),
        box(width + 0.04, 0.03, depth + 0.04, (0, height, 0)).named("top"),
        drawer_fronts(draw, width, foot + 0.02, height - 0.03, rows, depth / 2, columns).named("drawer"),
        corner_legs(draw, width, depth, foot + 0.01).named("leg"),
    )
    return Shape(solid, "wide" if columns == 2 else "", counted(rows * columns, "drawer"))


TABLES = (
    Category("table", ("wooden", "metal", "glass", "stone"), table, ("top", "leg")),
    Category("desk", ("wooden", "metal", "plastic"), desk, ("top", "leg", "drawer", "back")),
    Category("bed", ("wooden", "metal", "leather"), bed, ("headboard", "mattress", "pillow", "frame", "leg")),
    Category("bookshelf", ("wooden", "metal"), bookshelf, ("shelf", "side", "back", "book")),
    Category("wardrobe", ("wooden", "metal", "plastic"), wardrobe, ("body", "door", "drawer", "leg")),
    Category("dresser", ("wooden", "metal", "plastic"), dresser, ("body", "top", "drawer", "leg")),
)
