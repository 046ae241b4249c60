"""Results at rest: `results.json` for the numbers, `results.parquet` for every object.

There the rows of every benchmark stand under its key beside the other fields, in the order of `BENCHMARKS`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import benchmarks
from opendlign_core.evaluation.findings import Judged, Row
from opendlign_core.evaluation.object_table import write_objects
from opendlign_core.evaluation.results import EvaluationResults

RESULTS_FILE = "results.json"
TABLE_FILE = "results.parquet"


def results_text(results: EvaluationResults) -> str:
    """The text of `results.json`.

    Raises:
        BadInput: it could not be read back as it is, because a number is not finite for instance.
    """
    text = _text(results)
    try:
        again = read_results_text(text)
    except ValueError as error:
        raise BadInput(f"these results cannot be read back: {error}") from error
    if _text(again) != text:
        raise BadInput("these results cannot be read back as they are")
    return text


def read_results_text(text: str) -> EvaluationResults:
    """Read what `results_text` wrote, now or in an earlier version.

    Raises:
        ValueError: it is something else, or holds rows of a benchmark that is not there.
    """
    return EvaluationResults.model_validate(_gathered(json.loads(text)))


def write_results(results: EvaluationResults, scored: tuple[Judged, ...], folder: Path) -> tuple[Path, Path]:
    """Write `results.json` and `results.parquet` into `folder` and return their paths.

    Raises:
        BadInput: the reader of `results.json` would refuse it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers, table = folder / RESULTS_FILE, folder / TABLE_FILE
    numbers.write_text(results_text(results), encoding="utf-8")
    write_objects(table, scored)
    return numbers, table


def read_results(path: Path) -> EvaluationResults:
    """Read `results.json`, given the file or its folder."""
    file = path / RESULTS_FILE if path.is_dir() else path
    return read_results_text(file.read_text(encoding="utf-8"))


def _text(results: EvaluationResults) -> str:
    return to_json(_spread(results), indent=1, inf_nan_mode="null").decode() + "\n"


def _spread(results: EvaluationResults) -> dict[str, Any]:
    """The fields with the rows under the benchmarks' keys."""
    spread: dict[str, Any] = {}
    for name, value in results.model_dump(mode="json").items():
        spread |= _rows_by_key(results) if name == "rows" else {name: value}
    return spread


def _rows_by_key(results: EvaluationResults) -> dict[str, list[dict[str, Any]]]:
    kept = (one for one in benchmarks.BENCHMARKS if one.written_when_empty or results.of(one))
    return {one.key: [row.model_dump(mode="json") for row in results.of(one)] for one in kept}


def _gathered(values: Any) -> Any:
    """The fields with the rows taken from under the benchmarks' keys, each as its own type."""
    if not isinstance(values, Mapping):
        return values
    given, rows = dict(values), dict[str, tuple[Row, ...]]()
    for benchmark in benchmarks.BENCHMARKS:
        if found := given.pop(benchmark.key, ()):
            rows[benchmark.name] = tuple(benchmark.row.model_validate(row) for row in found)
    return {**given, "rows": rows}
