"""Objaverse-LVIS: OpenShape's dictionaries or the original glTF files, named by a list of categories."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from opendlign_core.articles import article
from opendlign_core.ingestion.adapters.listing import Listing, rows_of, stem, warn_of_gaps
from opendlign_core.ingestion.adapters.spec import Absent, Adapter, Found
from opendlign_core.ingestion.entry import UpAxis
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import plain_label
from opendlign_core.ingestion.recipe import SourceSpec


def _lvis(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing = Listing(files)
    categories = _categories(listing)
    present = {stem(key): key for key, _ in listing.match(r"[0-9a-f]{32}\.(?:npy|glb)")}
    warn_of_gaps(len(categories), sum(uid in present for uid, _ in categories), "Objaverse-LVIS")
    for uid, category in categories:
        if uid in present:
            label, key = _lvis_label(category), present[uid]
            # OpenShape wrote its clouds z up; a glTF file says itself that it is y up.
            up: UpAxis | None = "z" if key.endswith(".npy") else None
            yield Found(uid, "test", label, key, caption=article(label), up_axis=up)


def _categories(listing: Listing) -> list[tuple[str, str]]:
    """(uid, category) of OpenShape's list, of Objaverse's category -> uids, or of a table of index, category, uid."""
    if key := listing.find("lvis.json") or listing.find("lvis-annotations.json"):
        with rows_of(key):
            content = listing.json(key)
            if isinstance(content, dict):
                return [(uid, category) for category, uids in sorted(content.items()) for uid in uids]
            return [(row.get("uid") or row["id"], row["category"]) for row in content]
    if key := listing.find("lvis.csv"):
        rows = csv.reader(listing.lines(key))
        return [(row[-1], row[-2]) for row in rows if re.fullmatch("[0-9a-f]{32}", row[-1])]
    raise Absent("lvis.json, lvis-annotations.json or lvis.csv")


def _lvis_label(category: str) -> str:
    """`apple_(fruit)` is an apple; what stands in brackets only tells senses apart."""
    return plain_label(re.sub(r"_?\([^)]*\)", "", category))


OBJAVERSE_LVIS: Adapter = Adapter(
    name="objaverse-lvis",
    title="Objaverse-LVIS",
    layout="lvis.json (or lvis-annotations.json, lvis.csv), and <uid>.npy dictionaries or <uid>.glb files",
    split="all `test`",
    label="LVIS category without its bracket",
    caption="`a <label>`",
    find=_lvis,
    licence="ODC-By 1.0; each object under its own licence",
)
