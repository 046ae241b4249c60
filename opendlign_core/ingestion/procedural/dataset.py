"""The embedded data set: object `index` of `seed` is always the same shape, in words and in points.

Object `index` belongs to category `index % C` and to round `index // C`; the round decides the split, so any run of
indices is balanced. Every object has its own random streams, keyed by (seed, category, round): no draw is ever shared
between two objects, and hence none between two splits. Leaving categories out does not change those that stay.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.entry import PROCEDURAL, ObjectEntry
from opendlign_core.ingestion.procedural import captions
from opendlign_core.ingestion.procedural.craft import CRAFT
from opendlign_core.ingestion.procedural.household import HOUSEHOLD
from opendlign_core.ingestion.procedural.outdoors import OUTDOORS
from opendlign_core.ingestion.procedural.paint import COLOURS, palette
from opendlign_core.ingestion.procedural.primitives import sample_surface
from opendlign_core.ingestion.procedural.seating import SEATING
from opendlign_core.ingestion.procedural.shape import Category, Draw
from opendlign_core.ingestion.procedural.solid import Solid
from opendlign_core.ingestion.procedural.tables import TABLES
from opendlign_core.ingestion.procedural.vehicles import VEHICLES
from opendlign_core.ingestion.procedural.vessels import VESSELS
from opendlign_core.ingestion.procedural.words import PART_WORDS
from opendlign_core.ingestion.recipe import IngestRecipe, SourceSpec

CATEGORIES: tuple[Category, ...] = (*SEATING, *TABLES, *VESSELS, *VEHICLES, *CRAFT, *HOUSEHOLD, *OUTDOORS)
LABELS: tuple[str, ...] = tuple(category.label for category in CATEGORIES)

SPLIT_ROUNDS = ("train", "train", "test", "train", "val", "train", "train", "test", "train", "train")
"""Splits of ten rounds in a row: 70% train, 10% val, 20% test, and every split early on."""

LICENCE = "CC0-1.0"
MAX_YAW = 15.0
"""Degrees by which an object may be turned away from facing +z, to either side."""
MAX_STRETCH = 0.12
"""Share by which an object may be stretched or squeezed along each of its axes."""


class _Stream(IntEnum):
    """Separate random streams of one object, so that words, form and points do not depend on one another."""

    FORM = 0
    LOOK = 1
    POINTS = 2


@dataclass(frozen=True, slots=True)
class ProceduralObject:
    """Everything about one object but its points."""

    label: str
    split: str
    colour: str
    accent: str
    material: str
    caption: str
    solid: Solid
    """The surface, turned and in metres."""


@lru_cache(maxsize=64)
def select_categories(labels: tuple[str, ...]) -> tuple[Category, ...]:
    """The categories of these labels in the given order; all of them when empty."""
    known = {category.label: category for category in CATEGORIES}
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise BadInput(f"unknown procedural categories {unknown}; known are {', '.join(LABELS)}")
    return tuple(known[label] for label in labels) or CATEGORIES


def _draw(seed: int, category: Category, turn: int, stream: _Stream) -> Draw:
    entropy = (seed, zlib.crc32(category.label.encode()), turn, stream)
    return Draw(np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy))))


def _locate(index: int, labels: tuple[str, ...]) -> tuple[Category, int]:
    if index < 0:
        raise ValueError(f"procedural index must not be negative, got {index}")
    chosen = select_categories(labels)
    return chosen[index % len(chosen)], index // len(chosen)


def build_object(seed: int, index: int, labels: tuple[str, ...] = (), *, turned: bool = True) -> ProceduralObject:
    """Build object `index`: its words and its surface, without colours or points; unless `turned`, it faces +z."""
    category, turn = _locate(index, labels)
    form, look = _draw(seed, category, turn, _Stream.FORM), _draw(seed, category, turn, _Stream.LOOK)
    yaw = form.uniform(-MAX_YAW, MAX_YAW)
    stretch = [1 + form.uniform(-MAX_STRETCH, MAX_STRETCH) for _ in "xyz"]
    shape = category.build(form)
    colour, material = captions.pick_colour(look, category), look.pick(category.materials)
    accent = look.pick([name for name in COLOURS if name != colour])
    return ProceduralObject(
        label=category.label,
        split=SPLIT_ROUNDS[turn % len(SPLIT_ROUNDS)],
        colour=colour,
        accent=accent,
        material=material,
        caption=captions.caption(look, category.label, colour, material, shape),
        solid=shape.solid.scale(*stretch).turn("y", yaw if turned else 0.0),
    )


def procedural_entry(seed: int, index: int, labels: tuple[str, ...] = (), source: str = "procedural") -> ObjectEntry:
    """The catalog entry of object `index`; its uri is `procedural:<index>`."""
    built = build_object(seed, index, labels)
    return ObjectEntry(
        object_id=f"{source}/{seed}-{index:06d}-{built.label.replace(' ', '_')}",
        source=source,
        split=built.split,
        label=built.label,
        caption=built.caption,
        uri=f"{PROCEDURAL}{index}",
        up_axis="y",
        unit="m",
        licence=LICENCE,
    )


def procedural_cloud(seed: int, index: int, points: int, labels: tuple[str, ...] = ()) -> PointCloud:
    """Points [points, 3] in metres, y up, drawn uniformly by area, their colours [points, 3] and parts."""
    built = build_object(seed, index, labels)
    category, turn = _locate(index, labels)
    rng = _draw(seed, category, turn, _Stream.POINTS).rng
    table = palette(COLOURS[built.colour], COLOURS[built.accent], rng)
    where, face = sample_surface(built.solid, points, rng)
    return PointCloud(
        points=where.astype(np.float32),
        colors=table[built.solid.paint[face]],
        up_axis="y",
        unit="m",
        parts=_part_numbers(built.solid, category)[face],
        part_names=category.parts,
    )


def procedural_mesh(seed: int, index: int, labels: tuple[str, ...] = ()) -> Mesh:
    """The same object as triangles in metres, y up."""
    solid = build_object(seed, index, labels).solid
    category, _ = _locate(index, labels)
    return Mesh(
        vertices=solid.vertices.astype(np.float32),
        faces=solid.faces,
        up_axis="y",
        unit="m",
        parts=_part_numbers(solid, category),
        part_names=category.parts,
    )


def category_parts(label: str) -> tuple[str, ...]:
    """The words for the parts of a category's objects, in the order of their numbers.

    >>> category_parts("chair")
    ('back', 'seat', 'leg')
    """
    return select_categories((label,))[0].parts


def _part_numbers(solid: Solid, category: Category) -> NDArray[np.int32]:  # [F]
    """The number of every triangle's part among its category's; a KeyError tells of a triangle that nobody named."""
    number = {PART_WORDS.index(word): place for place, word in enumerate(category.parts)}
    table = np.full(len(PART_WORDS), -1, np.int32)
    table[list(number)] = list(number.values())
    return table[solid.part]


def source_seed(source: SourceSpec) -> int:
    """The `seed` option of a procedural source."""
    return source.number("seed", 0)


def source_labels(source: SourceSpec) -> tuple[str, ...]:
    """The `categories` option, a comma-separated list; empty means all."""
    return tuple(label.strip() for label in source.option("categories", "").split(",") if label.strip())


def cloud_of_entry(entry: ObjectEntry, recipe: IngestRecipe) -> PointCloud:
    """The points of an entry that `list_procedural` gave for `recipe.source`."""
    index = int(entry.uri.removeprefix(PROCEDURAL))
    return procedural_cloud(source_seed(recipe.source), index, recipe.points, source_labels(recipe.source))


def list_procedural(source: SourceSpec) -> Iterator[ObjectEntry]:
    """Entries 0 ... `objects` - 1 (option, default 1000) of the source's seed and categories."""
    seed, labels = source_seed(source), source_labels(source)
    name = source.name or "procedural"
    for index in _indices(source, len(select_categories(labels))):
        yield procedural_entry(seed, index, labels, name)


def _indices(source: SourceSpec, categories: int) -> Sequence[int]:
    """Indices of the wanted splits, found without building a shape."""
    wanted = set(source.splits) or set(SPLIT_ROUNDS)
    everything = range(source.number("objects", 1000))
    return [i for i in everything if SPLIT_ROUNDS[i // categories % len(SPLIT_ROUNDS)] in wanted]
