"""What benchmarks find: rows for `results.json`, and what the report and the table of objects show of them."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

SEARCHED_ON_TEST = "searched on test labels"
"""The mark of every number that depends on a search which saw the answers."""


class Numbers(BaseModel):
    """A frozen part of `results.json`; JSON has no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Row(Numbers):
    """One line of a benchmark's results; each benchmark adds its own fields."""

    dataset: str


class Estimate(Numbers):
    """A share or mean with its bootstrap interval (None when no resampling was asked for)."""

    value: float
    low: float | None = None
    high: float | None = None


class Above(BaseModel):
    """How much a number lies above what needs no model, by the difference on each object."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    name: str
    """Of what needs no model, such as `best constant`."""
    difference: Estimate


class Headline(BaseModel):
    """The number by which one method is compared on one data set: a share, more is better.

    A benchmark that measures errors takes the share of its objects whose error is small enough. This is what the
    regression guard compares and what the cards of the report show.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    dataset: str
    method: str
    value: float = Field(ge=0, le=1)
    low: float | None = None
    high: float | None = None
    remark: str = ""
    """How much was judged, such as `282 objects, 47 classes`."""
    mark: str = ""
    """Why the number is not to be trusted, such as `SEARCHED_ON_TEST`."""
    above: Above | None = None


class Example(Numbers):
    """One object shown in the report."""

    dataset: str
    method: str
    object_id: str
    label: str
    prediction: str
    margin: float
    """Score of the true class minus the best other."""


class ScoredObjects(BaseModel):
    """Scores of one method on one data set, for the table of objects."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    dataset: str
    method: str
    object_ids: tuple[str, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]  # [N]
    scores: NDArray[np.float32]  # [N, C]


class MeasuredObjects(BaseModel):
    """One number for each object that a method did not name but measure, for the table of objects."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    dataset: str
    method: str
    object_ids: tuple[str, ...]
    labels: tuple[str, ...]
    values: NDArray[np.float64]  # [N], shares: more is better


Judged = ScoredObjects | MeasuredObjects
RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True)
class Findings(Generic[RowT]):
    """What a benchmark found in one case: rows for `results.json`, and what the object table and the report show."""

    rows: tuple[RowT, ...] = ()
    objects: tuple[Judged, ...] = ()
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()
