"""What a benchmark is: it judges one method on one data set and knows how its rows are told to people.

Everything that runs, keeps, guards and shows benchmarks goes through this class and knows none of them by name;
`benchmarks.BENCHMARKS` lists them. A new one is one file with a row type and a class, and an entry in that tuple.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from opendlign_core.evaluation.choices import EvalChoices
from opendlign_core.evaluation.findings import Findings, Headline, RowT
from opendlign_core.evaluation.report.data import ReportData
from opendlign_core.evaluation.report.html import Section
from opendlign_core.evaluation.results import EvaluationResults
from opendlign_core.evaluation.specs import MethodSpec
from opendlign_core.recipe import Recipe

if TYPE_CHECKING:
    from opendlign_core.evaluation.cases import Case  # loads torch


@dataclass(frozen=True)
class Reads:
    """What a benchmark reads of every data set, so that it is extracted in the same pass for all that read it."""

    depth: bool = True
    """Features of the test split's depth maps under the method's projection."""
    train: bool = False
    """The same of the train split."""
    painted: bool = False
    """Features of the painted images, for the primary method."""
    placed: bool = False
    """Depth maps with the places of points that have parts."""
    photos: bool = False
    """Photos of things with their poses, of the test and the train split."""
    proposed: bool = False
    """Depth maps of what is in proposed boxes of scenes."""

    @property
    def maps(self) -> bool:
        """Whether depth maps are read at all."""
        return self.depth or self.placed or self.proposed


@dataclass(frozen=True)
class Column:
    """A column of a result table; one that is `wide` has no place in a terminal of eighty columns."""

    name: str
    wide: bool = False


Cell = str | int | float


@dataclass(frozen=True)
class ResultTable:
    """A benchmark's rows as people read them, in the terminal and in the Prefect UI; shares in percent."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def narrow(self) -> "ResultTable":
        """Without the wide columns."""
        kept = [place for place, column in enumerate(self.columns) if not column.wide]
        rows = tuple(tuple(row[place] for place in kept) for row in self.rows)
        return ResultTable(self.title, tuple(self.columns[place] for place in kept), rows)


@dataclass(frozen=True)
class ResultPicture:
    """A PNG that belongs to a benchmark."""

    title: str
    png: bytes


class Benchmark(ABC, Generic[RowT]):
    """One way of judging. Importing its module imports no torch: what `run` computes with is imported there."""

    name: str
    """How recipes call it; with underscores it is the key of its rows in `results.json`."""
    measure: str
    """Its headline in words, such as `top-1`."""
    accepted_as: str
    """The key of its headlines in the file of accepted results; no two benchmarks share one."""
    row: type[RowT]
    options: type[Recipe] | None = None
    """What a recipe may say about it under `options.<name>`; None where nothing can be chosen."""
    written_when_empty: bool = False
    """Whether `results.json` has its key without rows as well, as it had before there were benchmarks to choose."""

    @property
    def shows(self) -> tuple[str, ...]:
        """Names of its artifacts in the UI: of its table first, then of its pictures."""
        return (self.name,)

    @property
    def key(self) -> str:
        """The key of its rows in `results.json`."""
        return self.name.replace("-", "_")

    def options_in(self, recipe: EvalChoices) -> Any:
        """What the recipe says about it, as its own type `options`; defaults where the recipe says nothing."""
        if self.options is None:
            raise TypeError(f"the benchmark {self.name!r} declares no options")
        return self.options.model_validate(recipe.options.get(self.name, {}))

    def reads(self, recipe: EvalChoices) -> Reads:
        """What `run` will ask a case for."""
        return Reads()

    def judges(self, recipe: EvalChoices, method: MethodSpec) -> bool:
        """Whether it has a question for this method of the recipe."""
        return True

    @abstractmethod
    def run(self, case: "Case") -> Findings[RowT]:
        """Judge one method on one data set."""

    @abstractmethod
    def headlines(self, results: EvaluationResults) -> Iterable[Headline]:
        """One number per data set and method."""

    @abstractmethod
    def table(self, results: EvaluationResults) -> ResultTable:
        """Its rows for the terminal and the Prefect UI."""

    @abstractmethod
    def sections(self, data: ReportData) -> Iterable[Section]:
        """Its part of the report page; sections with an empty body are left out."""

    def pictures(self, results: EvaluationResults) -> Iterable[ResultPicture]:
        """Pictures for the Prefect UI, as many as `shows` has names for."""
        return ()
