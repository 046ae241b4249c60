"""What an evaluation found, as data: `results.json` for the numbers, `results.parquet` for every object."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

RESULTS_FILE = "results.json"
TABLE_FILE = "results.parquet"

SCHEMA = pa.schema(
    [
        ("dataset", pa.dictionary(pa.int32(), pa.string())),
        ("method", pa.dictionary(pa.int32(), pa.string())),
        ("object_id", pa.string()),
        ("label", pa.string()),
        ("prediction", pa.string()),
        ("rank", pa.int32()),
        ("scores", pa.list_(pa.float32())),
    ]
)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Estimate(_Model):
    """A share or mean with its bootstrap interval (None when no resampling was asked for)."""

    value: float
    low: float | None = None
    high: float | None = None


class ClassResult(_Model):
    """One class: its objects, and fractions that are 0 where there is nothing to divide by."""

    name: str
    objects: int
    top1: float
    top3: float
    top5: float
    precision: float
    recall: float
    f1: float


class ZeroShotResult(_Model):
    """One method on one data set; `searched_on_test` marks prompts or weights that were chosen on test labels."""

    dataset: str
    method: str
    objects: int
    left_out: int = 0
    """Objects whose label leads to no class."""
    top1: Estimate
    top3: Estimate
    top5: Estimate
    macro_precision: float
    macro_recall: float
    macro_f1: Estimate
    classes: tuple[ClassResult, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Counts [true][predicted]."""
    searched_on_test: bool = False
    search: dict[str, Any] | None = None


class FewShotResult(_Model):
    """Accuracy over seeds for one number of shots."""

    dataset: str
    method: str
    shots: int
    mean: float
    std: float
    accuracies: tuple[float, ...]


class ViewsResult(_Model):
    """Zero-shot top-1 with some of the views."""

    dataset: str
    method: str
    views: tuple[int, ...]
    top1: float
    searched_on_test: bool = False


class RetrievalResult(_Model):
    """Queries of one kind against the objects of one data set."""

    dataset: str
    query: Literal["text", "image", "shape", "text+image"]
    queries: int
    gallery: int
    recall: dict[int, float]
    mean_average_precision: float
    searched_on_test: bool = False


class Example(_Model):
    """One object shown in the report."""

    dataset: str
    method: str
    object_id: str
    label: str
    prediction: str
    margin: float
    """Score of the true class minus the best other."""


class EvaluationResults(_Model):
    """Everything one evaluation found."""

    model: str
    model_fingerprint: str
    primary: str = ""
    """The method the evaluation is about; empty stands for the first of each data set."""
    precision: str = "float32"
    interval_level: float = 0.95
    """Coverage of the intervals in every `Estimate`."""
    zero_shot: tuple[ZeroShotResult, ...] = ()
    few_shot: tuple[FewShotResult, ...] = ()
    views: tuple[ViewsResult, ...] = ()
    retrieval: tuple[RetrievalResult, ...] = ()
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)

    def primary_rows(self) -> list[ZeroShotResult]:
        """The row of the primary method, or else the first one, for every data set."""
        chosen: dict[str, ZeroShotResult] = {}
        for row in self.zero_shot:
            if row.dataset not in chosen or row.method == self.primary:
                chosen[row.dataset] = row
        return list(chosen.values())

    def find(self, dataset: str, method: str) -> ZeroShotResult | None:
        """The zero-shot row of a method on a data set."""
        matches = (row for row in self.zero_shot if row.dataset == dataset and row.method == method)
        return next(matches, None)


class ScoredObjects(_Model):
    """Scores of one method on one data set, for the table of objects."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    dataset: str
    method: str
    object_ids: tuple[str, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]  # [N]
    scores: NDArray[np.float32]  # [N, C]


def write_results(results: EvaluationResults, scored: tuple[ScoredObjects, ...], folder: Path) -> tuple[Path, Path]:
    """Write `results.json` and `results.parquet` into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers, table = folder / RESULTS_FILE, folder / TABLE_FILE
    numbers.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    with pq.ParquetWriter(table, SCHEMA, compression="zstd") as writer:
        for part in scored:
            writer.write_table(object_table(part))
    return numbers, table


def read_results(path: Path) -> EvaluationResults:
    """Read `results.json`, given the file or its folder."""
    file = path / RESULTS_FILE if path.is_dir() else path
    return EvaluationResults.model_validate_json(file.read_text(encoding="utf-8"))


def object_table(part: ScoredObjects) -> pa.Table:
    """One row per object: label, prediction, place of the true class (0 is best), all scores."""
    from opendlign_core.evaluation.metrics import label_ranks

    count, classes = part.scores.shape
    names = np.asarray(part.classes, dtype=object)
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * classes)
    scores = pa.ListArray.from_arrays(offsets, pa.array(part.scores.astype(np.float32).ravel()))
    constant = pa.array(np.zeros(count, np.int32))
    columns = [
        pa.DictionaryArray.from_arrays(constant, pa.array([part.dataset])),
        pa.DictionaryArray.from_arrays(constant, pa.array([part.method])),
        pa.array(list(part.object_ids)),
        pa.array(names[part.labels].tolist()),
        pa.array(names[part.scores.argmax(axis=1)].tolist()),
        pa.array(label_ranks(part.scores, part.labels).astype(np.int32)),
        scores,
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
