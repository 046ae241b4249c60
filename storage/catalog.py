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
_COLUMNS = frozenset(SCHEMA.names)
_REQUIRED = tuple(field.name for field in SCHEMA if not field.nullable)


def write_catalog(rows: Iterable[Mapping[str, Any]], path: Path) -> Path:
    """Write rows of `SCHEMA`; raises `ValueError` for an unknown column and where a required one is empty."""
    listed = [dict(row) for row in rows]
    for row in listed:
        if unknown := row.keys() - _COLUMNS:
            raise ValueError(f"a catalog has no columns {sorted(unknown)}, only {SCHEMA.names}")
        if lacking := [name for name in _REQUIRED if row.get(name) is None]:
            raise ValueError(f"object {row.get('object_id')!r} lacks {lacking}, which every catalog row needs")
    pq.write_table(pa.Table.from_pylist(listed, schema=SCHEMA), path, compression="zstd")
    return path


def join_catalogs(parts: Sequence[Path], target: Path) -> Path:
    """Concatenate parts in order, one at a time; raises `ValueError` when an object id occurs twice."""
    try:
        with pq.ParquetWriter(target, SCHEMA, compression="zstd") as writer:
            seen: set[str] = set()
            for part in parts:
                table = pq.read_table(part, schema=SCHEMA)
                _add_unique(seen, table.column("object_id").to_pylist())
                writer.write_table(table)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def _add_unique(seen: set[str], object_ids: Iterable[str]) -> None:
    for object_id in object_ids:
        if object_id in seen:
            raise ValueError(f"object id {object_id!r} occurs twice; ids must be unique in a catalog")
        seen.add(object_id)


def read_catalog(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path, schema=SCHEMA).to_pylist()
    return rows
