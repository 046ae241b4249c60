from pathlib import Path
from typing import Any

import pytest

from storage import join_catalogs, read_catalog, write_catalog
from storage.catalog import SCHEMA


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"object_id": f"source/{number}", "source": "source", "uri": f"{number}.off", **more}


def test_rows_come_back_typed(tmp_path: Path) -> None:
    rows = [row(0, points=2048, padded=False, label="chair"), row(1, rejected="no points")]
    found = read_catalog(write_catalog(rows, tmp_path / "a.parquet"))
    assert [{key: value for key, value in item.items() if value is not None} for item in found] == rows
    assert list(found[0]) == SCHEMA.names


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    rows = [row(number) for number in range(100)]
    first, second = (write_catalog(rows, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_parts_join_in_order(tmp_path: Path) -> None:
    parts = [write_catalog([row(part * 2), row(part * 2 + 1)], tmp_path / str(part)) for part in (1, 0)]
    joined = read_catalog(join_catalogs(parts, tmp_path / "all"))
    assert [item["object_id"] for item in joined] == ["source/2", "source/3", "source/0", "source/1"]
    assert read_catalog(join_catalogs([], tmp_path / "none")) == []


def test_an_id_that_occurs_twice_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    parts = [write_catalog([row(0)], tmp_path / name) for name in ("a", "b")]
    with pytest.raises(ValueError, match="'source/0' occurs twice"):
        join_catalogs(parts, tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_unknown_columns_and_missing_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no columns \['colour'\]"):
        write_catalog([row(0, colour="red")], tmp_path / "a")
    with pytest.raises(ValueError, match=r"'source/0' lacks \['uri'\]"):
        write_catalog([row(0) | {"uri": None}], tmp_path / "a")
