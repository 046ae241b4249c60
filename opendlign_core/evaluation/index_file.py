"""The file of an index: unit embeddings with ids, labels and small pictures, as Parquet. Needs no torch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.features import Floats

ROW_GROUP = 2048
"""Small, because fetching a hit's name and picture reads the whole row group that holds it."""


@dataclass(frozen=True)
class IndexRow:
    """One object of the gallery; `preview` is a WebP picture of it, empty when there is none."""

    object_id: str
    label: str | None
    embedding: Floats  # [E]
    preview: bytes = b""


def index_schema(width: int, fingerprint: str) -> pa.Schema:
    """Columns of an index; the model's fingerprint travels in the file's metadata."""
    fields = [
        ("object_id", pa.string()),
        ("label", pa.string()),
        ("preview", pa.binary()),
        ("embedding", pa.list_(pa.float32(), width)),
    ]
    return pa.schema(fields, metadata={"model": fingerprint})


def write_index(path: Path, rows: Iterable[IndexRow], fingerprint: str) -> int:
    """Write rows as they come and return how many there were; memory holds one row group."""
    writer: pq.ParquetWriter | None = None
    count = 0
    try:
        for group in _grouped(rows, ROW_GROUP):
            schema = index_schema(len(group[0].embedding), fingerprint)
            if writer is None:
                # Embeddings do not compress; plain pages are read at the speed of a copy.
                writer = pq.ParquetWriter(path, schema, compression="none", use_dictionary=False)
            writer.write_table(_table(group, schema))
            count += len(group)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise BadInput(f"nothing to index: no objects were given for {path}")
    return count


def _table(rows: list[IndexRow], schema: pa.Schema) -> pa.Table:
    stacked = np.stack([row.embedding for row in rows]).astype(np.float32)
    columns = [
        pa.array([row.object_id for row in rows]),
        pa.array([row.label for row in rows], pa.string()),
        pa.array([row.preview for row in rows], pa.binary()),
        pa.FixedSizeListArray.from_arrays(pa.array(stacked.ravel()), stacked.shape[1]),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _grouped(rows: Iterable[IndexRow], size: int) -> Iterator[list[IndexRow]]:
    group: list[IndexRow] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def open_index(path: Path) -> pq.ParquetFile:
    """Open an index.

    Raises:
        BadInput: there is no file, or it is none.
    """
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise BadInput(f"no index at {path}") from error
    except pa.ArrowInvalid as error:
        raise BadInput(f"{path} is not an index: `opendlign index --out` makes one") from error
    if "embedding" not in file.schema_arrow.names:
        file.close()
        raise BadInput(f"{path} is not an index: it has no 'embedding' column (columns: {file.schema_arrow.names})")
    return file


def fingerprint_of(file: pq.ParquetFile) -> str:
    """The fingerprint of the model that built an index."""
    metadata: dict[bytes, bytes] = file.schema_arrow.metadata or {}
    return metadata.get(b"model", b"").decode()


def blocks(file: pq.ParquetFile) -> Iterator[tuple[int, Floats]]:
    """(first row, embeddings [R, E]) of every row group."""
    start = 0
    for group in range(file.metadata.num_row_groups):
        column = file.read_row_group(group, columns=["embedding"]).column(0).combine_chunks()
        block: Floats = column.values.to_numpy().reshape(len(column), -1)
        yield start, block
        start += len(block)
