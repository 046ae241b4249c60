"""The table of all objects of an ingest output, accepted and rejected, as Parquet with an explicit schema."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        pa.field("object_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("label", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("digest", pa.string()),
        pa.field("points", pa.int64()),
        pa.field("padded", pa.bool_()),
        pa.field("up_axis", pa.string()),
        pa.field("unit", pa.string()),
        pa.field("licence", pa.string()),
        pa.field("rejected", pa.string()),
    ]
)


def write_catalog(rows: Iterable[Mapping[str, Any]], path: Path) -> Path:
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
    pq.write_table(table, path, compression="zstd")
    return path


def join_catalogs(parts: Sequence[Path], target: Path) -> Path:
    """Concatenate parts in order, one at a time; raises `ValueError` when an object id occurs twice."""
    seen: set[str] = set()
    with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
        for part in parts:
            table = pq.read_table(part, schema=SCHEMA)
            for object_id in table.column("object_id").to_pylist():
                if object_id in seen:
                    raise ValueError(f"object id {object_id!r} occurs twice; ids must be unique in a catalog")
                seen.add(object_id)
            writer.write_table(table)
    return target


def read_catalog(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path, schema=SCHEMA).to_pylist()
    return rows
