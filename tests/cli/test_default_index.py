"""The index that `opendlign search` keeps for its user."""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opendlign import shapes


def test_a_file_that_somebody_planted_answers_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared temporary folder is everybody's, and the index's name can be foretold."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(shapes, "write_index", lambda trained, path, split: path.write_bytes(b"honest"))
    (tmp_path / "shared").mkdir()
    for folder in ("shared", "own"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "opendlign-index-abc.parquet").write_bytes(b"planted")
    trained: Any = SimpleNamespace(key="abc")
    path = shapes.default_index(trained)
    assert path.read_bytes() == b"honest"
    assert path.is_relative_to(tmp_path / "own")
