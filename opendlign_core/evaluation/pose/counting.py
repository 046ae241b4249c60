"""From pose errors to rows of results."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.estimates import estimate
from opendlign_core.evaluation.findings import Estimate, Numbers, Row
from opendlign_core.evaluation.pose.scores import Groups, PoseScore, grouped, split_by, with_classes
from opendlign_core.evaluation.specs import BootstrapSpec
from opendlign_core.pose import Floats

Kind = Literal["probe", "network", "compare", "baseline"]
KNOWN, NOVEL = "known categories", "novel categories"


class GroupResult(Numbers):
    """The photos of one group of categories, or of one category."""

    name: str
    photos: int
    within_30: float
    within_10: float
    median: float
    """Degrees."""

    @classmethod
    def of(cls, name: str, score: PoseScore) -> "GroupResult":
        return cls(
            name=name,
            photos=score.photos,
            within_30=score.within_30 / 100,
            within_10=score.within_10 / 100,
            median=score.median,
        )


class PoseResult(Row):
    """One way of telling poses on one data set."""

    method: str
    kind: Kind
    photos: int
    within_30: Estimate
    """Share of errors below 30 degrees."""
    within_10: Estimate
    median: float
    """Degrees."""
    mean: float
    remark: str = ""
    """Which head, or what it is compared with."""
    named: Estimate | None = None
    """Share of the photos whose category was told right, where it was asked for."""
    aware: Estimate | None = None
    """Share with the right category and an error below 30 degrees: 3D-aware accuracy."""
    chosen_on_reported: bool = False
    """Whether its head was chosen on the photos that are reported, as published."""
    groups: tuple[GroupResult, ...] = ()
    """Known and novel categories, then groups of categories."""
    categories: tuple[GroupResult, ...] = ()


def pose_numbers(
    errors: Floats, categories: Sequence[str], known: Sequence[str], groups: Groups, spec: BootstrapSpec
) -> dict[str, object]:
    """The numbers of a row from errors [N] in radians."""
    score = PoseScore.of(errors)
    parts = split_by(categories, known) if known else {}
    named = {KNOWN: parts["known"], NOVEL: parts["novel"]} if parts else {}
    found = {name: PoseScore.of(errors[there]) for name, there in named.items() if there.any()}
    found |= grouped(errors, categories, groups)
    each = grouped(errors, categories, {name: (name,) for name in sorted(set(categories))})
    return {
        "photos": score.photos,
        "within_30": estimate((errors < np.pi / 6).astype(float), spec),
        "within_10": estimate((errors < np.pi / 18).astype(float), spec),
        "median": score.median,
        "mean": score.mean,
        "groups": tuple(GroupResult.of(name, one) for name, one in found.items()),
        "categories": tuple(GroupResult.of(name, one) for name, one in each.items()),
    }


def aware_score(errors: Floats, right: NDArray[np.bool_], spec: BootstrapSpec) -> Estimate:
    """3D-aware accuracy: where the category is wrong no pose is right."""
    return estimate((with_classes(errors, right) < np.pi / 6).astype(float), spec)
