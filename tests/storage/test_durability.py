"""What is committed survives a power cut: bytes reach the disk before their name does, and names before what tells
of them. Asked of the calls themselves, since no test can cut the power.
"""

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.collect import delete_all
from storage.local import LocalStore
from storage.output import StageOutput, plan_shards
from storage.store import ObjectInfo
from tests.storage.making import build, finish, identity, make_output

MakeFile = Callable[..., Path]
Event = tuple[str, str]


class Disk:
    """What was asked of the file system, in order: ("flush", path) and ("appear", path), relative to `root`."""

    def __init__(self, root: Path) -> None:
        self.events: list[Event] = []
        self.flushed: dict[str, bytes] = {}
        self._root = root

    def note(self, kind: str, path: str) -> None:
        relative = os.path.relpath(path, self._root)
        self.events.append((kind, "scratch" if relative.startswith(".scratch") else relative))

    def place(self, kind: str, path: str) -> int:
        return self.events.index((kind, path))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk(tmp_path)
    flush, replace, link = os.fsync, os.replace, os.link

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").resolve()
        if path.is_file():
            found.flushed["scratch"] = path.read_bytes()
        found.note("flush", str(path))
        flush(handle)

    def renamed(source: Path, target: Path, **more: int) -> None:
        found.note("appear", str(target))
        replace(source, target, **more)

    def linked(source: Path, target: Path, **more: bool) -> None:
        found.note("appear", str(target))
        link(source, target, **more)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(os, "link", linked)
    return found


FOLDERS = [("flush", "."), ("flush", "stage"), ("flush", "stage/f")]


def assert_durable(disk: Disk, key: str, content: bytes) -> None:
    """The whole content is on the disk before the name appears, and the name's folder after."""
    assert disk.flushed["scratch"] == content
    assert disk.place("flush", "scratch") < disk.place("appear", key) < disk.place("flush", str(Path(key).parent))


def test_a_file_is_flushed_before_and_after_it_appears(tmp_path: Path, disk: Disk, make_file: MakeFile) -> None:
    content = os.urandom(100_000)
    LocalStore(tmp_path).put_file(make_file(content), "stage/f/a.tar")
    assert_durable(disk, "stage/f/a.tar", content)


def test_a_record_is_flushed_before_and_after_it_appears(tmp_path: Path, disk: Disk) -> None:
    assert LocalStore(tmp_path).put_if_absent("stage/f/a.json", b"record")
    assert_durable(disk, "stage/f/a.json", b"record")


@pytest.mark.parametrize("kind", ["file", "record"])
def test_new_folders_are_flushed_from_their_parents(
    tmp_path: Path, disk: Disk, make_file: MakeFile, kind: str
) -> None:
    store = LocalStore(tmp_path)

    def put(key: str) -> None:
        store.put_file(make_file(b"1"), key) if kind == "file" else store.put_if_absent(key, b"1")

    put("stage/f/a")
    assert set(FOLDERS) <= set(disk.events)
    assert max(disk.place(*folder) for folder in FOLDERS[:2]) < disk.place("appear", "stage/f/a")
    disk.events.clear()
    put("stage/f/b")
    assert [event for event in disk.events if event in FOLDERS] == [("flush", "stage/f")], "the others are there"


def test_whatever_tells_of_a_thing_appears_after_it(tmp_path: Path, disk: Disk) -> None:
    output, plan = StageOutput(LocalStore(tmp_path), identity()), plan_shards(4, 4)
    record = build(output, plan[0])
    manifest = finish(output, plan)
    order = ["identity.json", *(stored.file for stored in record.files), record.name]
    order += [*(stored.file for stored in manifest.files), "manifest.json"]
    appeared = [path.rpartition("/")[2] for kind, path in disk.events if kind == "appear"]
    assert appeared == order
    for earlier, later in itertools.pairwise(order):
        start = disk.place("appear", f"{output.folder}/{earlier}")
        assert ("flush", output.folder) in disk.events[start : disk.place("appear", f"{output.folder}/{later}")]


@pytest.mark.parametrize(("number", "passes"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_disk_that_cannot_flush_folders_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, passes: bool
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    store = LocalStore(tmp_path)
    if passes:
        assert store.put_if_absent("stage/a", b"1")
        return
    with pytest.raises(OSError, match="Input/output"):
        store.put_if_absent("stage/a", b"1")
    assert list(store.list()) == []


def test_flushing_leaves_no_file_open(tmp_path: Path, make_file: MakeFile) -> None:
    store = LocalStore(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        store.put_file(make_file(b"1"), f"stage/{number}")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


class Deleting(LocalStore):
    """Notes what is deleted, in order, and fails once `left` deletions were made."""

    def __init__(self, root: Path, left: int = 10**9) -> None:
        super().__init__(root)
        self.deleted: list[str] = []
        self._left = left

    def delete(self, key: str) -> None:
        if len(self.deleted) >= self._left:
            raise OSError("the power went")
        self.deleted.append(key)
        super().delete(key)


def test_manifests_are_deleted_first(tmp_path: Path) -> None:
    store = Deleting(tmp_path)
    made = [make_output(store, identity(seed)) for seed in range(3)]
    everything: list[ObjectInfo] = list(store.list())
    delete_all(store, everything)
    assert set(store.deleted[:3]) == {f"{manifest.folder}/manifest.json" for manifest in made}
    assert sorted(store.deleted) == [info.key for info in everything]
    assert list(store.list()) == []


def test_an_interrupted_deletion_leaves_no_finished_output(tmp_path: Path) -> None:
    made = [make_output(LocalStore(tmp_path), identity(seed)) for seed in range(3)]
    store = Deleting(tmp_path, left=len(made))
    with pytest.raises(OSError, match="power"):
        delete_all(store, list(store.list()))
    assert [StageOutput(store, identity(seed)).manifest() for seed in range(3)] == [None] * 3
