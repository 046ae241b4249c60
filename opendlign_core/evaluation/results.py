"""What an evaluation found, as data: `results.json` for the numbers, `results.parquet` for every object."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, cast

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import benchmarks
from opendlign_core.evaluation.benchmark import Benchmark, Example, Headline, Numbers, Row, RowT, ScoredObjects
from opendlign_core.evaluation.object_table import write_objects

RESULTS_FILE = "results.json"
TABLE_FILE = "results.parquet"


class Judged(Protocol):
    """Something said of a method on a data set."""

    @property
    def dataset(self) -> str: ...

    @property
    def method(self) -> str: ...


JudgedT = TypeVar("JudgedT", bound=Judged)


class EvaluationResults(Numbers):
    """Everything one evaluation found.

    In JSON the rows of every benchmark stand under its key beside the other fields, in the order of `BENCHMARKS`.
    """

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

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, values: Any) -> Any:
        """Take the rows from under the benchmarks' keys."""
        if not isinstance(values, Mapping):
            return values
        given = dict(values)
        rows = dict(given.pop("rows", {}))
        for benchmark in benchmarks.BENCHMARKS:
            found = given.pop(benchmark.key, rows.pop(benchmark.name, ()))
            if found or benchmark.written_when_empty:
                rows[benchmark.name] = tuple(benchmark.row.model_validate(row) for row in found)
        return {**given, "rows": rows}

    @model_serializer(mode="wrap")
    def _spread(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Put the rows under the benchmarks' keys."""
        spread: dict[str, Any] = {}
        for name, value in dump(self).items():
            rows = self._dumped_rows() if name == "rows" else {name: value}
            spread |= rows
        return spread

    def _dumped_rows(self) -> dict[str, list[dict[str, Any]]]:
        kept = (benchmark for benchmark in benchmarks.BENCHMARKS if benchmark.name in self.rows)
        return {benchmark.key: [row.model_dump(mode="json") for row in self.of(benchmark)] for benchmark in kept}

    def of(self, benchmark: Benchmark[RowT]) -> tuple[RowT, ...]:
        """The rows of one benchmark."""
        return cast("tuple[RowT, ...]", self.rows.get(benchmark.name, ()))

    def primary_of(self, found: Iterable[JudgedT]) -> list[JudgedT]:
        """What is said of the primary method, or else of the first one, for every data set."""
        chosen: dict[str, JudgedT] = {}
        for one in found:
            if one.dataset not in chosen or one.method == self.primary:
                chosen[one.dataset] = one
        return list(chosen.values())

    def benchmarks(self) -> list[Benchmark[Any]]:
        """The benchmarks that have rows."""
        return [benchmark for benchmark in benchmarks.BENCHMARKS if self.of(benchmark)]

    def headlines(self) -> list[tuple[Benchmark[Any], Headline]]:
        """The headlines of every benchmark that has rows."""
        return [(benchmark, headline) for benchmark in self.benchmarks() for headline in benchmark.headlines(self)]

    def to_text(self) -> str:
        """The text of `results.json`.

        Raises:
            BadInput: it could not be read back as it is, because a number is not finite for instance.
        """
        text = self.model_dump_json(indent=1) + "\n"
        try:
            again = type(self).model_validate_json(text)
        except ValueError as error:
            raise BadInput(f"these results cannot be read back: {error}") from error
        if again.model_dump_json(indent=1) + "\n" != text:
            raise BadInput("these results cannot be read back as they are")
        return text

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote, now or in an earlier version."""
        return cls.model_validate_json(text)


def write_results(results: EvaluationResults, scored: tuple[ScoredObjects, ...], folder: Path) -> tuple[Path, Path]:
    """Write `results.json` and `results.parquet` into `folder` and return their paths.

    Raises:
        BadInput: the reader of `results.json` would refuse it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers, table = folder / RESULTS_FILE, folder / TABLE_FILE
    numbers.write_text(results.to_text(), encoding="utf-8")
    write_objects(table, scored)
    return numbers, table


def read_results(path: Path) -> EvaluationResults:
    """Read `results.json`, given the file or its folder."""
    file = path / RESULTS_FILE if path.is_dir() else path
    return EvaluationResults.from_text(file.read_text(encoding="utf-8"))
