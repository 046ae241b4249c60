"""The table of every object that was judged: one row per object and method, with all its scores."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from opendlign_core.evaluation.classification.metrics import best_classes, label_ranks
from opendlign_core.evaluation.findings import ScoredObjects

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


def write_objects(path: Path, scored: Iterable[ScoredObjects]) -> None:
    """Write the table, one row group per data set and method."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for part in scored:
            writer.write_table(object_table(part))


def object_table(part: ScoredObjects) -> pa.Table:
    """One row per object: label, prediction, place of the true class (0 is best), all scores."""
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
        pa.array(names[best_classes(part.scores)].tolist()),
        pa.array(label_ranks(part.scores, part.labels).astype(np.int32)),
        scores,
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
