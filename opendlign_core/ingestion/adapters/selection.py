"""Choices that sources without official splits need: a split for what has none, and a floor per label."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.spec import Found
from opendlign_core.ingestion.parts import PartList
from opendlign_core.ingestion.recipe import SourceSpec

SELECTION_OPTIONS = (
    ("split", "split of objects that state none; `train` when left out"),
    ("train_share", "share of `train` instead, such as `0.75`, the rest being `test`: by object, the same every time"),
    ("min_per_label", "leave out labels with fewer objects"),
    ("part_names", "names of the parts that files number 0, 1, ..., comma-separated, for recipes that keep parts"),
)


def select(source: SourceSpec, found: Iterable[Found]) -> Iterable[Found]:
    """Apply the selection options; only `min_per_label` needs the whole listing at once.

    Raises:
        BadInput: for an option that would change nothing, since somebody meant something by it.
    """
    listed_parts(source)
    floor = source.number("min_per_label", 0)
    placed = _placed(source, found)
    if not floor:
        return placed
    kept = list(placed)
    counts = Counter(item.label for item in kept)
    return (item for item in kept if counts[item.label] >= floor)


def listed_parts(source: SourceSpec, label: str = "") -> PartList | None:
    """The parts that the option `part_names` lists, the same for every label."""
    given = source.option("part_names", "")
    if not given:
        return None
    names = tuple(name.strip() for name in given.split(","))
    if not all(names) or len({*names}) < len(names):
        raise BadInput(f"option part_names needs different names, such as seat,back,leg: got {given!r}")
    return PartList(names)


def _placed(source: SourceSpec, found: Iterable[Found]) -> Iterator[Found]:
    """Every object with a split: drawn, its own, or the one for objects that state none."""
    share, given = source.option("train_share", ""), source.option("split", "")
    if share and given:
        raise BadInput(f"split {given} and train_share {share} exclude each other: leave one out")
    stated = without = 0
    for item in found:
        stated, without = stated + bool(item.split), without + (not item.split)
        if share:
            yield replace(item, split="train" if _fraction(item.name) < _share(share) else "test")
        else:
            yield item if item.split else replace(item, split=given or "train")
    if given and stated and not without:
        raise BadInput(
            f"option split={given} is for objects that state no split, but all {stated} state one: leave it out, "
            "choose among theirs with the field splits, or draw new ones with the option train_share"
        )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise BadInput(f"train_share must lie between 0 and 1, got {text}")
    return share


def _fraction(name: str) -> float:
    """A number in [0, 1) that depends on the object's name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
