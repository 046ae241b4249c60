from pathlib import Path

import pytest

from opendlign_core.ingestion import DirectoryFiles


@pytest.fixture
def files(tmp_path: Path) -> DirectoryFiles:
    for name in ("chair/b.off", "chair/a.off", "chairs.csv", "lamp/x/c.off"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return DirectoryFiles(tmp_path)


def test_keys_are_relative_and_sorted(files: DirectoryFiles) -> None:
    assert list(files.list()) == ["chair/a.off", "chair/b.off", "chairs.csv", "lamp/x/c.off"]
    assert list(files.list("chair")) == ["chair/a.off", "chair/b.off", "chairs.csv"]
    assert list(files.list("lamp/x/")) == ["lamp/x/c.off"]
    assert list(files.list("nowhere/")) == []


def test_reading(files: DirectoryFiles) -> None:
    assert files.read("lamp/x/c.off") == b"lamp/x/c.off"


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "chair/../../secret", "absent.off"])
def test_keys_stay_inside_the_folder(files: DirectoryFiles, key: str) -> None:
    with pytest.raises(FileNotFoundError):
        files.local(key)


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent does not exist"):
        DirectoryFiles(tmp_path / "absent")
