"""The table of every object that was judged: one row per object and method, with all its scores or its number."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from opendlign_core.evaluation.classification.metrics import best_classes, label_ranks
from opendlign_core.evaluation.findings import Judged, MeasuredObjects, ScoredObjects

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


MEASURED = SCHEMA.append(pa.field("value", pa.float32()))
"""Of a table that has objects which were measured; these have no prediction, rank and scores."""


def write_objects(path: Path, judged: Sequence[Judged]) -> None:
    """Write the table, one row group per data set and method."""
    measured = any(isinstance(part, MeasuredObjects) for part in judged)
    schema = MEASURED if measured else SCHEMA
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in judged:
            columns = _measured(part) if isinstance(part, MeasuredObjects) else _scored(part)
            found = {**columns, "value": columns.get("value", pa.nulls(len(part.object_ids), pa.float32()))}
            writer.write_table(pa.Table.from_arrays([found[name] for name in schema.names], schema=schema))


def _scored(part: ScoredObjects) -> dict[str, pa.Array]:
    """Label, prediction, place of the true class (0 is best), all scores."""
    count, classes = part.scores.shape
    names = np.asarray(part.classes, dtype=object)
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * classes)
    return _named(part, names[part.labels].tolist()) | {
        "prediction": pa.array(names[best_classes(part.scores)].tolist()),
        "rank": pa.array(label_ranks(part.scores, part.labels).astype(np.int32)),
        "scores": pa.ListArray.from_arrays(offsets, pa.array(part.scores.astype(np.float32).ravel())),
    }


def _measured(part: MeasuredObjects) -> dict[str, pa.Array]:
    count = len(part.object_ids)
    nothing = {name: pa.nulls(count, SCHEMA.field(name).type) for name in ("prediction", "rank", "scores")}
    return _named(part, list(part.labels)) | nothing | {"value": pa.array(part.values.astype(np.float32))}


def _named(part: Judged, labels: list[str]) -> dict[str, pa.Array]:
    constant = pa.array(np.zeros(len(part.object_ids), np.int32))
    return {
        "dataset": pa.DictionaryArray.from_arrays(constant, pa.array([part.dataset])),
        "method": pa.DictionaryArray.from_arrays(constant, pa.array([part.method])),
        "object_id": pa.array(list(part.object_ids)),
        "label": pa.array(labels),
    }
