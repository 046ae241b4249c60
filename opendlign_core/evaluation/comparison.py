"""Two evaluations side by side, on the objects that both judged: numbers, classes, and objects that changed sides."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.findings import Estimate
from opendlign_core.evaluation.labels import fold
from opendlign_core.evaluation.paired import paired_share
from opendlign_core.evaluation.specs import BootstrapSpec


class Judgement(NamedTuple):
    """What an object is, and what it was taken for."""

    label: str
    prediction: str

    @property
    def right(self) -> bool:
        return fold(self.label) == fold(self.prediction)


Judged = Mapping[tuple[str, str], Mapping[str, Judgement]]
"""Data set and method -> id of an object -> what was said of it."""


@dataclass(frozen=True)
class Change:
    """One object that only one of the two evaluations names right."""

    object_id: str
    label: str
    before: str
    after: str

    @property
    def won(self) -> bool:
        return fold(self.after) == fold(self.label)


@dataclass(frozen=True)
class ClassChange:
    """Shares of a class that were named right before and after."""

    name: str
    objects: int
    before: float
    after: float


@dataclass(frozen=True)
class Compared:
    """One method on one data set in both evaluations, on their common objects."""

    dataset: str
    method: str
    before: float
    after: float
    share: Estimate
    """The difference with its paired interval."""
    objects: int
    left_out: int
    """Objects that only one of the two judged, or that have another label now."""
    classes: tuple[ClassChange, ...]
    """Those whose share changed, the largest changes first."""
    changes: tuple[Change, ...]

    @cached_property
    def won(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.won)

    @cached_property
    def lost(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if not change.won)


def read_judged(path: Path) -> Judged:
    """The table of objects (`results.parquet`) of an evaluation, without its scores."""
    found: dict[tuple[str, str], dict[str, Judgement]] = {}
    for row in pq.read_table(path, columns=["dataset", "method", "object_id", "label", "prediction"]).to_pylist():
        known = found.setdefault((row["dataset"], row["method"]), {})
        known[row["object_id"]] = Judgement(row["label"], row["prediction"])
    return found


def compare_judged(before: Judged, after: Judged, bootstrap: BootstrapSpec) -> Iterator[Compared]:
    """Every method on every data set that both evaluations judged, in the order of the second.

    Raises:
        BadInput: they have no method, or no object, in common.
    """
    both = [key for key in after if key in before]
    if not both:
        raise BadInput(
            f"nothing to compare: the first judged {_named(before)}, the second {_named(after)}; both must judge the "
            "same data set by a method of the same name"
        )
    for key in both:
        yield _compared(key, before[key], after[key], bootstrap)


def _named(judged: Judged) -> str:
    return ", ".join(f"{dataset} by {method}" for dataset, method in judged) or "no single objects"


def _compared(
    key: tuple[str, str], before: Mapping[str, Judgement], after: Mapping[str, Judgement], bootstrap: BootstrapSpec
) -> Compared:
    common = [name for name, one in after.items() if name in before and fold(before[name].label) == fold(one.label)]
    if not common:
        raise BadInput(f"nothing to compare: the two judged no object of {key[0]} in common")
    was = np.array([before[name].right for name in common])
    now = np.array([after[name].right for name in common])
    pairs = [(name, before[name], after[name]) for name in common]
    return Compared(
        *key,
        before=float(was.mean()),
        after=float(now.mean()),
        share=paired_share(was, now, bootstrap),
        objects=len(common),
        left_out=len(before.keys() | after.keys()) - len(common),
        classes=_class_changes(pairs),
        changes=tuple(
            Change(name, new.label, old.prediction, new.prediction)
            for name, old, new in pairs
            if old.right != new.right
        ),
    )


def _class_changes(pairs: Iterable[tuple[str, Judgement, Judgement]]) -> tuple[ClassChange, ...]:
    objects, was, now = Counter[str](), Counter[str](), Counter[str]()
    for _, old, new in pairs:
        objects[new.label] += 1
        was[new.label] += old.right
        now[new.label] += new.right
    found = [ClassChange(name, count, was[name] / count, now[name] / count) for name, count in objects.items()]
    changed = [one for one in found if one.before != one.after]
    return tuple(sorted(changed, key=lambda one: (-abs(one.after - one.before), one.name)))
