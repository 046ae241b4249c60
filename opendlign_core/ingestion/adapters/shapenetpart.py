"""ShapeNetPart as PointNet++ ships it: packs of clouds whose points are numbered by part."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.listing import Listing
from opendlign_core.ingestion.adapters.modelnet import h5_packs
from opendlign_core.ingestion.adapters.shapenet import LICENCE
from opendlign_core.ingestion.adapters.spec import Adapter, Found
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import SHAPENET_PARTS
from opendlign_core.ingestion.parts import PartList
from opendlign_core.ingestion.recipe import SourceSpec


def _find(source: SourceSpec, files: Files) -> Iterable[Found]:
    listing = Listing(files)
    key = listing.find("all_object_categories.txt")
    names = [line.split()[0].lower() for line in listing.lines(key)] if key else list(SHAPENET_PARTS)

    def label_of(index: int, key: str) -> str:
        # A number of no category costs its own row, not the pack: its parts are looked up, in vain, when it is read.
        return names[index] if 0 <= index < len(names) else f"category {index}"

    found = h5_packs(listing, label_of)
    if not source.option("subset", ""):
        return found
    each = source.number("subset", 0)
    if each == 0:
        raise BadInput("option subset must be at least 1: leave it out to take all objects")
    return _subset(list(found), each)


def _subset(found: list[Found], each: int) -> list[Found]:
    """Every object of the test split, and up to `each` of every category of the others, in the order of the files."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, item in enumerate(found):
        groups[item.split, item.label].append(place)
    draw = random.Random(0)
    kept: set[int] = set()
    for group in sorted(groups):
        places = groups[group]
        kept.update(places if group[0] == "test" else draw.sample(places, min(each, len(places))))
    return [found[place] for place in sorted(kept)]


def shapenet_parts(source: SourceSpec, label: str) -> PartList:
    """The parts of a category, numbered on from those of the categories before it.

    Raises:
        UnreadableShape: when there is no such category.
    """
    first = 0
    for category, names in SHAPENET_PARTS.items():
        if category == label:
            return PartList(names, first)
        first += len(names)
    raise UnreadableShape(f"is labelled {label!r}, which is none of ShapeNetPart's {len(SHAPENET_PARTS)} categories")


SHAPENET_PART_H5: Adapter = Adapter(
    name="shapenetpart",
    title="ShapeNetPart (hdf5)",
    layout="ply_data_<train|val|test><n>.h5 with data, label and pid, all_object_categories.txt optional",
    split="file",
    label="`label`, named by all_object_categories.txt",
    caption="`a <label>`",
    find=_find,
    up_axis="y",
    licence=LICENCE,
    options=(
        (
            "subset",
            "that many objects per category, drawn at random, of every split but `test`; all when left out",
        ),
    ),
    parts=shapenet_parts,
)
