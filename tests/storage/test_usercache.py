"""A user's cache is that user's alone, and holds whole files or none."""

import os
from pathlib import Path

import pytest

from storage.errors import InvalidKey, UnsafeCache
from storage.usercache import UserCache


@pytest.fixture
def cache(tmp_path: Path) -> UserCache:
    return UserCache(tmp_path / "deep" / "cache")


class Maker:
    """Writes its content and counts how often."""

    def __init__(self, content: bytes) -> None:
        self.calls = 0
        self._content = content

    def __call__(self, path: Path) -> None:
        self.calls += 1
        path.write_bytes(self._content)


def test_a_file_is_made_once(cache: UserCache) -> None:
    make = Maker(b"content")
    for _ in range(2):
        assert cache.file("a.parquet", make).read_bytes() == b"content"
    assert UserCache(cache.folder).file("a.parquet", make) == cache.folder / "a.parquet"
    assert make.calls == 1
    assert cache.file("b", Maker(b"other")).read_bytes() == b"other"
    assert sorted(path.name for path in cache.folder.iterdir()) == [
        "a.parquet",
        "a.parquet.sha256",
        "b",
        "b.sha256",
    ]


@pytest.mark.parametrize("name", ["a", "a.sha256"])
@pytest.mark.parametrize("content", [None, b"", b"conten", b"\xff\xfe"])
def test_what_is_not_as_it_was_written_is_made_again(cache: UserCache, name: str, content: bytes | None) -> None:
    make = Maker(b"content")
    cache.file("a", make)
    (cache.folder / name).unlink() if content is None else (cache.folder / name).write_bytes(content)
    assert cache.file("a", make).read_bytes() == b"content"
    assert make.calls == 2
    cache.file("a", make)
    assert make.calls == 2


def test_a_failure_midway_leaves_nothing(cache: UserCache) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        cache.file("a", fail)
    assert list(cache.folder.iterdir()) == []
    assert cache.file("a", Maker(b"whole")).read_bytes() == b"whole"


def test_nobody_else_may_enter(cache: UserCache) -> None:
    cache.file("a", Maker(b"1"))
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    cache.folder.chmod(0o755)
    cache.file("a", Maker(b"1"))
    assert cache.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(cache: UserCache, mode: int) -> None:
    cache.file("a", Maker(b"1"))
    cache.folder.chmod(mode)
    with pytest.raises(UnsafeCache, match=r"others may write to .*cache; remove it"):
        cache.file("a", Maker(b"1"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_folder_of_somebody_else_is_refused(cache: UserCache) -> None:
    cache.folder.mkdir(mode=0o700, parents=True)
    os.chown(cache.folder, 12345, 12345)
    with pytest.raises(UnsafeCache, match="others may write"):
        cache.file("a", Maker(b"1"))


@pytest.mark.parametrize("name", ["../a", "/etc/a", ""])
def test_a_name_stays_inside(cache: UserCache, name: str) -> None:
    with pytest.raises(InvalidKey):
        cache.file(name, Maker(b"1"))


def test_the_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert UserCache().folder == tmp_path / "opendlign"


def test_what_is_written_is_read_back_or_nothing(cache: UserCache) -> None:
    assert cache.read("notes.json") is None
    cache.write("notes.json", b"one")
    cache.write("notes.json", b"two")
    assert cache.read("notes.json") == b"two"
    (cache.folder / "notes.json").write_bytes(b"tw")
    assert cache.read("notes.json") is None
