"""Names and links that a folder may hold: an odd one costs itself alone, and none leads out of the source."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opendlign_core.ingestion import DirectoryFiles, IngestExecution, IngestRecipe, SourceSpec, ingest_entries
from tasks.listing import list_source, source_files

OFF = b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder, outside = tmp_path / "source" / "mug", tmp_path / "private"
    folder.mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.off").write_bytes(OFF)
    (folder / "good.off").write_bytes(OFF)
    (folder / "same.off").symlink_to("good.off")
    return folder.parent


def latin_name(source: Path) -> None:
    (source / "mug" / os.fsdecode(b"caf\xe9.off")).write_bytes(OFF)


def line_break(source: Path) -> None:
    (source / "mug/two\nlines.off").write_bytes(b"no shape")


def loop(source: Path) -> None:
    (source / "mug/loop.off").symlink_to("loop.off")


def link_outside(source: Path) -> None:
    (source / "mug/outside.off").symlink_to(source.parent / "private/secret.off")


def folder_outside(source: Path) -> None:
    (source / "cup").symlink_to(source.parent / "private")


def folder_in_a_circle(source: Path) -> None:
    (source / "mug/again").symlink_to(source)


@pytest.mark.parametrize(
    ("add", "reason"),
    [
        (latin_name, "UTF-8"),
        (line_break, "OFF"),
        (loop, "leads nowhere"),
        (link_outside, "leaves the source"),
        (folder_outside, None),
        (folder_in_a_circle, None),
    ],
)
def test_an_odd_name_costs_itself_alone(source: Path, add: object, reason: str | None) -> None:
    add(source)  # type: ignore[operator]
    recipe = IngestRecipe(source=SourceSpec(adapter="folder", url=str(source)), points=16)
    with source_files(recipe) as files:
        entries = list_source(recipe, files).entries
        outcomes = list(ingest_entries(entries, recipe, IngestExecution(workers=1), files))
    reasons = [getattr(outcome, "reason", None) for outcome in outcomes]
    assert [name.object_id for name in entries if name.uri in ("mug/good.off", "mug/same.off")] == [
        "folder/mug/good.off", "folder/mug/same.off"
    ]  # fmt: skip
    assert reasons.count(None) == 2
    assert [text for text in reasons if text and reason and reason not in text] == []
    assert len(reasons) == (3 if reason else 2)


def test_folders_that_are_not_followed_are_named(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder_outside(source)
    assert "cup/secret.off" not in list(DirectoryFiles(source).list())
    assert "cup" in caplog.text
    assert "leaves the source" in caplog.text


@contextmanager
def without_rights() -> Iterator[None]:
    """The administrator may read everything, so what is locked is locked for another user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared_source() -> Iterator[Path]:
    """A source in a folder that other users may look into, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for label in ("mug", "cup"):
            (folder / label).mkdir()
            (folder / label / "a.off").write_bytes(OFF)
        yield folder


def test_a_folder_that_is_locked_costs_what_it_holds(shared_source: Path, caplog: pytest.LogCaptureFixture) -> None:
    (shared_source / "cup").chmod(0)
    with without_rights():
        keys = list(DirectoryFiles(shared_source).list())
    assert keys == ["mug/a.off"]
    assert "cup/ may not be looked into" in caplog.text


def test_a_source_that_is_locked_itself_is_no_empty_one(shared_source: Path) -> None:
    shared_source.chmod(0o311)
    with without_rights(), pytest.raises(PermissionError):
        list(DirectoryFiles(shared_source).list())


def test_a_file_that_is_locked_costs_itself(shared_source: Path) -> None:
    (shared_source / "cup/a.off").chmod(0)
    recipe = IngestRecipe(source=SourceSpec(adapter="folder", url=str(shared_source)))
    with without_rights():
        listing = list_source(recipe)
        files = DirectoryFiles(shared_source)
        with pytest.raises(FileNotFoundError, match=r"'cup/a\.off' may not be read \(permission denied\)"):
            files.local("cup/a.off")
        assert files.local("mug/a.off").is_file()
    assert [entry.uri for entry in listing.entries] == ["cup/a.off", "mug/a.off"]
    assert set(listing.contents) == {"mug/a.off"}
