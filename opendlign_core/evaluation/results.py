"""What an evaluation found, as data."""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar, cast

from pydantic import Field

from opendlign_core.evaluation.findings import Example, Numbers, Row, RowT


class RowsOf(Protocol[RowT]):
    """A benchmark, as far as it says which rows are its own."""

    name: str
    row: type[RowT]


class Judged(Protocol):
    """Something said of a method on a data set."""

    @property
    def dataset(self) -> str: ...

    @property
    def method(self) -> str: ...


JudgedT = TypeVar("JudgedT", bound=Judged)


class EvaluationResults(Numbers):
    """Everything one evaluation found; `results_file` writes and reads it."""

    model: str
    model_fingerprint: str
    primary: str = ""
    """The method the evaluation is about; empty stands for the first of each data set."""
    precision: str = "float32"
    interval_level: float = 0.95
    """Coverage of the intervals in every `Estimate`."""
    rows: Mapping[str, tuple[Row, ...]] = Field(default_factory=dict)
    """Name of a benchmark -> its rows; `of` returns them with their type."""
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)

    def of(self, benchmark: RowsOf[RowT]) -> tuple[RowT, ...]:
        """The rows of one benchmark."""
        return cast("tuple[RowT, ...]", self.rows.get(benchmark.name, ()))

    def primary_of(self, found: Iterable[JudgedT]) -> list[JudgedT]:
        """What is said of the primary method, or else of the first one, for every data set."""
        chosen: dict[str, JudgedT] = {}
        for one in found:
            if one.dataset not in chosen or one.method == self.primary:
                chosen[one.dataset] = one
        return list(chosen.values())
