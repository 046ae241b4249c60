from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from storage.errors import RepeatedId
from storage.tables import Table

THINGS = Table(
    pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("place", pa.string(), nullable=False),
            pa.field("count", pa.int64()),
            pa.field("sound", pa.bool_()),
        ]
    ),
    unique="id",
)


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"thing/{number}", "place": "here", **more}


def test_rows_come_back_typed(tmp_path: Path) -> None:
    rows = [row(0, count=2048, sound=False), row(1)]
    found = THINGS.read(THINGS.write(rows, tmp_path / "a.parquet"))
    assert found == [row(0, count=2048, sound=False), row(1, count=None, sound=None)]
    assert list(found[0]) == ["id", "place", "count", "sound"]


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    rows = [row(number) for number in range(100)]
    first, second = (THINGS.write(rows, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_parts_join_in_order(tmp_path: Path) -> None:
    parts = [THINGS.write([row(part * 2), row(part * 2 + 1)], tmp_path / str(part)) for part in (1, 0)]
    joined = THINGS.read(THINGS.join(parts, tmp_path / "all"))
    assert [item["id"] for item in joined] == ["thing/2", "thing/3", "thing/0", "thing/1"]
    assert THINGS.read(THINGS.join([], tmp_path / "none")) == []


def test_an_id_that_occurs_twice_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    parts = [THINGS.write([row(0)], tmp_path / name) for name in ("a", "b")]
    with pytest.raises(RepeatedId, match="id 'thing/0' occurs twice"):
        THINGS.join(parts, tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_unknown_columns_and_missing_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no columns \['colour'\]"):
        THINGS.write([row(0, colour="red")], tmp_path / "a")
    with pytest.raises(ValueError, match=r"'thing/0' lacks \['place'\]"):
        THINGS.write([row(0) | {"place": None}], tmp_path / "a")
    assert THINGS.read(THINGS.write([row(0) | {"count": None}], tmp_path / "b"))[0]["count"] is None


def test_a_kind_of_table_is_shared_and_stays_as_it_is() -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(THINGS, "unique", "place")  # noqa: B010
