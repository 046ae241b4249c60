"""Choices that sources without official splits need: a split for what has none, and a floor per label."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.spec import Found
from opendlign_core.ingestion.parts import PartList
from opendlign_core.ingestion.recipe import SourceSpec

_log = logging.getLogger(__name__)

SELECTION_OPTIONS = (
    ("split", "split of objects that state none; `train` when left out"),
    ("train_share", "share of `train` instead, such as `0.75`, the rest being `test`: by object, the same every time"),
    ("stratify", "`label` draws that share of every label, rounded, and leaves each of two objects and more a test"),
    ("min_per_label", "leave out labels with fewer objects"),
    ("part_names", "names of the parts that files number 0, 1, ..., comma-separated, for recipes that keep parts"),
)


def select(source: SourceSpec, found: Iterable[Found]) -> Iterable[Found]:
    """Apply the selection options; `min_per_label` and `stratify` need the whole listing at once.

    Raises:
        BadInput: for an option that would change nothing, since somebody meant something by it.
    """
    listed_parts(source)
    floor = source.number("min_per_label", 0)
    placed = _placed(source, found)
    return _frequent(list(placed), floor) if floor else placed


def listed_parts(source: SourceSpec, label: str = "") -> PartList | None:
    """The parts that the option `part_names` lists, the same for every label."""
    given = source.option("part_names", "")
    if not given:
        return None
    names = tuple(name.strip() for name in given.split(","))
    if not all(names) or len({*names}) < len(names):
        raise BadInput(f"option part_names needs different names, such as seat,back,leg: got {given!r}")
    return PartList(names)


def _frequent(found: Sequence[Found], floor: int) -> Iterable[Found]:
    counts = Counter(item.label for item in found)
    for label, count in counts.most_common(1):
        if count < floor:
            raise BadInput(f"no label has min_per_label={floor} objects; the largest, {label!r}, has {count}")
    return (item for item in found if counts[item.label] >= floor)


def _placed(source: SourceSpec, found: Iterable[Found]) -> Iterable[Found]:
    """Every object with a split: drawn, its own, or the one for objects that state none."""
    share, given, stratify = (source.option(name, "") for name in ("train_share", "split", "stratify"))
    if share and given:
        raise BadInput(f"split {given} and train_share {share} exclude each other: leave one out")
    if stratify not in ("", "label"):
        raise BadInput(f"stratify must be label, got {stratify!r}")
    if stratify and not share:
        raise BadInput("stratify=label is for train_share: give both, such as train_share=0.75")
    if not share:
        return _stated(given, found)
    return _stratified(_share(share), list(found)) if stratify else _drawn(_share(share), found)


def _stated(given: str, found: Iterable[Found]) -> Iterator[Found]:
    stated = without = 0
    for item in found:
        stated, without = stated + bool(item.split), without + (not item.split)
        yield item if item.split else replace(item, split=given or "train")
    if given and stated and not without:
        raise BadInput(
            f"option split={given} is for objects that state no split, but all {stated} state one: leave it out, "
            "choose among theirs with the field splits, or draw new ones with the option train_share"
        )


def _drawn(share: float, found: Iterable[Found]) -> Iterator[Found]:
    """Each object by its name alone, so that new objects move no old one to the other side."""
    labels, tested = set[str](), set[str]()
    for item in found:
        split = "train" if _fraction(item.name) < share else "test"
        labels.add(item.label)
        if split == "test":
            tested.add(item.label)
        yield replace(item, split=split)
    if untested := sorted(labels - tested - {""}):
        _log.warning(
            "train_share leaves %d of %d labels without a test object: %s; with the option stratify=label every label "
            "of two objects and more has one",
            len(untested),
            len(labels),
            ", ".join(untested[:8]) + (" ..." if len(untested) > 8 else ""),
        )


def _stratified(share: float, found: Sequence[Found]) -> Iterator[Found]:
    """The same share of every label: those of its objects that the plain draw would take first."""
    by_label: dict[str, list[str]] = {}
    for item in found:
        by_label.setdefault(item.label, []).append(item.name)
    trained = {
        (label, name)
        for label, names in by_label.items()
        for name in sorted(names, key=_fraction)[: _train_count(share, len(names))]
    }
    for item in found:
        yield replace(item, split="train" if (item.label, item.name) in trained else "test")


def _train_count(share: float, count: int) -> int:
    """How many of a label's objects are trained on: at least one, and not all of several."""
    return max(1, min(round(share * count), count - 1))


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise BadInput(f"train_share must be a number between 0 and 1, such as 0.75, got {text!r}")
    return share


def _fraction(name: str) -> float:
    """A number in [0, 1) that depends on the object's name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
