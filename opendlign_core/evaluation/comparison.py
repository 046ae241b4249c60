"""Two evaluations side by side, on the objects that both judged: numbers, classes, and objects that changed sides."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.estimates import estimate
from opendlign_core.evaluation.findings import Estimate
from opendlign_core.evaluation.labels import fold
from opendlign_core.evaluation.paired import paired_share
from opendlign_core.evaluation.specs import BootstrapSpec


class Judgement(NamedTuple):
    """What an object is, and what it was taken for or, where it was not named but measured, how well."""

    label: str
    prediction: str | None
    value: float | None = None

    @property
    def right(self) -> bool:
        return self.prediction is not None and fold(self.label) == fold(self.prediction)

    @property
    def worth(self) -> float:
        """What it adds to the mean: its number, or 1 where it is named right."""
        return float(self.right) if self.value is None else self.value


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
    """What was right of a class before and after."""

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
    wanted = ["dataset", "method", "object_id", "label", "prediction", "value"]
    there = [name for name in wanted if name in pq.read_schema(path).names]
    for row in pq.read_table(path, columns=there).to_pylist():
        known = found.setdefault((row["dataset"], row["method"]), {})
        known[row["object_id"]] = Judgement(row["label"], row["prediction"], row.get("value"))
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
    pairs = [(name, before[name], after[name]) for name in common]
    was, now = np.array([old.worth for _, old, _ in pairs]), np.array([new.worth for _, _, new in pairs])
    named = all(new.value is None for _, _, new in pairs)
    share = paired_share(was > 0, now > 0, bootstrap) if named else estimate(now - was, bootstrap)
    return Compared(
        *key,
        before=float(was.mean()),
        after=float(now.mean()),
        share=share,
        objects=len(common),
        left_out=len(before.keys() | after.keys()) - len(common),
        classes=_class_changes(pairs),
        changes=tuple(
            Change(name, new.label, old.prediction or "", new.prediction or "")
            for name, old, new in pairs
            if old.right != new.right
        ),
    )


def _class_changes(pairs: Iterable[tuple[str, Judgement, Judgement]]) -> tuple[ClassChange, ...]:
    objects, was, now = Counter[str](), defaultdict[str, float](float), defaultdict[str, float](float)
    for _, old, new in pairs:
        objects[new.label] += 1
        was[new.label] += old.worth
        now[new.label] += new.worth
    found = [ClassChange(name, count, was[name] / count, now[name] / count) for name, count in objects.items()]
    changed = [one for one in found if one.before != one.after]
    return tuple(sorted(changed, key=lambda one: (-abs(one.after - one.before), one.name)))
