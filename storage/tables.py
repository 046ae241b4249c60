"""Parquet tables that are written shard by shard and joined: columns and the unique one are the caller's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import RepeatedId


@dataclass(frozen=True)
class Table:
    """A kind of table: its columns, those that may not be empty (`nullable=False`), and the column of unique ids.

    >>> import tempfile
    >>> shapes = Table(pa.schema([pa.field("name", pa.string()), pa.field("faces", pa.int64())]), unique="name")
    >>> path = shapes.write([{"name": "cube", "faces": 6}], Path(tempfile.mkdtemp()) / "shapes.parquet")
    >>> shapes.read(path)
    [{'name': 'cube', 'faces': 6}]
    """

    schema: pa.Schema
    unique: str

    def write(self, rows: Iterable[Mapping[str, Any]], path: Path) -> Path:
        """Write rows; raises `ValueError` for an unknown column and where a required one is empty."""
        listed = [dict(row) for row in rows]
        for row in listed:
            self._check(row)
        pq.write_table(pa.Table.from_pylist(listed, schema=self.schema), path, compression="zstd")
        return path

    def _check(self, row: Mapping[str, Any]) -> None:
        if unknown := row.keys() - set(self.schema.names):
            raise ValueError(f"the table has no columns {sorted(unknown)}, only {self.schema.names}")
        if lacking := [field.name for field in self.schema if not field.nullable and row.get(field.name) is None]:
            raise ValueError(f"row {row.get(self.unique)!r} lacks {lacking}, which every row needs")

    def join(self, parts: Sequence[Path], target: Path) -> Path:
        """Concatenate parts in order, one at a time; raises `RepeatedId` when an id occurs twice."""
        try:
            with pq.ParquetWriter(target, self.schema, compression="zstd") as writer:
                seen: set[Any] = set()
                for part in parts:
                    table = pq.read_table(part, schema=self.schema)
                    self._add_unique(seen, table.column(self.unique).to_pylist())
                    writer.write_table(table)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target

    def _add_unique(self, seen: set[Any], ids: Iterable[Any]) -> None:
        for found in ids:
            if found in seen:
                raise RepeatedId(f"{self.unique} {found!r} occurs twice; ids must be unique in a source")
            seen.add(found)

    def read(self, path: Path) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(path, schema=self.schema).to_pylist()
        return rows
