from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opendlign_core.clip import unit_array
from opendlign_core.evaluation import index as index_module
from opendlign_core.evaluation import index_file
from opendlign_core.evaluation.index import EmbeddingIndex, Hit, search_file
from opendlign_core.evaluation.index_file import IndexRow, write_index


def gallery(count: int, width: int = 24, seed: int = 0) -> list[IndexRow]:
    vectors = unit_array(np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32))
    return [IndexRow(f"set/{i}", f"class {i % 7}", vector, bytes([i % 251])) for i, vector in enumerate(vectors)]


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "ROW_GROUP", 100)
    monkeypatch.setattr(index_module, "_BLOCK", 64)


@pytest.mark.parametrize("queries", [1, 5])
def test_hits_are_those_of_a_full_sort(tmp_path: Path, small_groups: None, queries: int) -> None:
    rows, path = gallery(1037), tmp_path / "index.parquet"
    assert write_index(path, rows, "model") == 1037
    asked = unit_array(np.random.default_rng(1).normal(size=(queries, 24)).astype(np.float32))
    matrix = np.stack([row.embedding for row in rows])
    best = np.argsort(-(asked @ matrix.T), axis=1, kind="stable")[:, :10]
    for found in (EmbeddingIndex(path).search(asked, 10), search_file(path, asked, 10)):
        assert [[hit.object_id for hit in hits] for hits in found] == [[f"set/{i}" for i in row] for row in best]
        assert all(hit.preview == bytes([int(hit.object_id[4:]) % 251]) for hits in found for hit in hits)
        assert found[0][0].label == f"class {best[0, 0] % 7}"
        assert found[0][0].score == pytest.approx(float((asked @ matrix.T).max(axis=1)[0]), abs=1e-5)


def test_more_hits_than_objects(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    write_index(path, gallery(3), "model")
    assert len(EmbeddingIndex(path).search(gallery(1)[0].embedding, 10)[0]) == 3


def test_rows_are_written_as_they_come(tmp_path: Path, small_groups: None) -> None:
    path = tmp_path / "index.parquet"
    write_index(path, iter(gallery(250)), "model")
    assert [pq.ParquetFile(path).metadata.row_group(i).num_rows for i in range(3)] == [100, 100, 50]


def test_unlabelled_objects_and_the_model_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    write_index(path, [IndexRow("set/0", None, gallery(1)[0].embedding)], "weights-77")
    index = EmbeddingIndex(path)
    assert index.fingerprint == "weights-77"
    assert index.search(gallery(1)[0].embedding)[0][0].label is None


def test_other_files_and_other_widths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to index"):
        write_index(tmp_path / "empty.parquet", [], "model")
    path = tmp_path / "index.parquet"
    write_index(path, gallery(3), "model")
    with pytest.raises(ValueError, match="queries have 8 numbers, the index has 24"):
        search_file(path, np.ones((1, 8), np.float32))
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="is not an index"):
        EmbeddingIndex(tmp_path / "other.parquet")


def test_ten_hits_are_told_unless_asked_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    write_index(path, gallery(12), "model")
    query = gallery(1)[0].embedding
    assert len(EmbeddingIndex(path).search(query)[0]) == len(search_file(path, query)[0]) == 10


def test_rows_and_hits_stay_as_they_are() -> None:
    for kept in (gallery(1)[0], Hit("set/0", "class 0", 0.5)):
        with pytest.raises(FrozenInstanceError):
            setattr(kept, "label", "other")  # noqa: B010
