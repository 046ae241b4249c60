"""What pose errors come to: accuracy within 30 and 10 degrees, mean and median, also by groups of categories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.pose import Floats

Groups = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class PoseScore:
    """Shares in percent of errors strictly below a bound; mean and median in degrees."""

    within_30: float
    within_10: float
    mean: float
    median: float
    photos: int

    @classmethod
    def of(cls, errors: Floats) -> "PoseScore":  # [N] radians, at least one
        degrees = np.degrees(errors)
        return cls(
            within_30=100 * float((errors < np.pi / 6).mean()),
            within_10=100 * float((errors < np.pi / 18).mean()),
            mean=float(degrees.mean()),
            median=float(np.median(degrees)),
            photos=len(errors),
        )


def with_classes(errors: Floats, right: NDArray[np.bool_]) -> Floats:  # [N] radians
    """3D-aware errors: where the class is wrong half a turn more, so that no bound holds."""
    return errors + np.pi * ~right


def grouped(errors: Floats, categories: Sequence[str], groups: Groups) -> dict[str, PoseScore]:
    """Over photos, not over categories; a group without a photo is left out.

    >>> list(grouped(np.array([0.1, 0.2]), ["car", "key"], {"vehicles": ["car"], "music": ["harp"]}))
    ['vehicles']
    """
    chosen = {name: np.isin(categories, list(members)) for name, members in groups.items()}
    return {name: PoseScore.of(errors[there]) for name, there in chosen.items() if there.any()}


def split_by(categories: Sequence[str], known: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Which photos show known categories and which novel ones."""
    there = np.isin(categories, list(known))
    return {"known": there, "novel": ~there}
