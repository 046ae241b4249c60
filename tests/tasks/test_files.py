"""Sources in folders and buckets: what is brought, what is kept, what counts as absent."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from opendlign_core.ingestion import Mesh, UnreadableShape, read_shape
from opendlign_core.ingestion.companions import companion_keys
from storage.errors import StoreFull, StoreUnavailable
from storage.stores import open_store
from tasks.files import StoreFiles, open_files

pytestmark = pytest.mark.server

TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)


@pytest.fixture
def place(bucket: str, request: pytest.FixtureRequest) -> str:
    return f"{bucket}/{request.node.name}"


def put(url: str, **contents: bytes) -> None:
    store = open_store(url)
    for key, content in contents.items():
        store.put_if_absent(key.replace("__", "/").replace("_dot_", "."), content)


def gltf(*uris: str) -> bytes:
    primitive = {"attributes": {"POSITION": 0}, "mode": 4}
    return json.dumps(
        {
            "asset": {"version": "2.0"},
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [primitive]}],
            "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
            "bufferViews": [{"buffer": 0, "byteLength": 36}],
            "buffers": [{"uri": uri, "byteLength": 36} for uri in uris],
            "images": [{"uri": "picture.png"}],
        }
    ).encode()


class Counting:
    """Counts what is opened in a source's store."""

    def __init__(self, files: StoreFiles) -> None:
        self.opened: Counter[str] = Counter()
        self._open = files.store.open
        self._guard = threading.Lock()
        files.store.open = self  # type: ignore[method-assign]

    def __call__(self, key: str) -> BinaryIO:
        with self._guard:
            self.opened[key] += 1
        return self._open(key)


def test_threads_that_want_one_object_bring_it_once(place: str) -> None:
    put(place, pack_dot_npy=b"x" * 100_000)
    with StoreFiles(place) as files, ThreadPoolExecutor(16) as pool:
        counting = Counting(files)
        paths = set(pool.map(files.local, ["pack.npy"] * 64))
        assert len(paths) == 1
        assert paths.pop().read_bytes() == b"x" * 100_000
        assert counting.opened == {"pack.npy": 1}


def test_the_buffers_of_a_gltf_come_with_it_and_nothing_else_does(place: str) -> None:
    put(place, a__shape_dot_gltf=gltf("data/my%20buffer.bin"), a__picture_dot_png=b"png", a__other_dot_obj=b"v 0 0 0")
    open_store(place).put_if_absent("a/data/my buffer.bin", TRIANGLE.tobytes())
    with StoreFiles(place) as files:
        path = files.local("a/shape.gltf")
        shape = read_shape(path)
        assert isinstance(shape, Mesh)
        assert np.array_equal(shape.vertices, TRIANGLE)
        beside = {found.relative_to(path.parent).as_posix() for found in path.parent.rglob("*") if found.is_file()}
        assert beside == {"shape.gltf", "data/my buffer.bin"}


@pytest.mark.parametrize("uri", ["../secret.bin", "/etc/passwd", "..%2Fsecret.bin", "absent.bin"])
def test_a_gltf_gets_no_file_outside_its_folder(place: str, uri: str) -> None:
    put(place, a__shape_dot_gltf=gltf(uri), secret_dot_bin=TRIANGLE.tobytes())
    with StoreFiles(place) as files:
        path = files.local("a/shape.gltf")
        assert [found.name for found in path.parent.rglob("*")] == ["shape.gltf"]
        with pytest.raises(UnreadableShape, match=r"outside its folder|does not exist beside it"):
            read_shape(path)


def test_buffers_are_found_in_any_text() -> None:
    hostile = b'{"uri": "a.bin", "uri":"a.bin", "uri" : "b\\u0041.bin", "uri": "\\x", "uri": "data:,A", "uri": "p.JPG"'
    assert companion_keys("m/a.gltf", hostile) == ["m/a.bin", "m/bA.bin"]


@pytest.mark.parametrize("key", ["nowhere.obj", "../outside.obj", "/etc/passwd", "a//b.obj", ""])
def test_absent_objects_are_file_not_found(place: str, tmp_path: Path, key: str) -> None:
    put(place, here_dot_obj=b"v 0 0 0")
    for url in (place, str(tmp_path)):
        with open_files(url) as files, pytest.raises(FileNotFoundError, match="does not"):
            files.local(key)


def test_a_bucket_that_is_gone_is_not_an_absent_object() -> None:
    with StoreFiles("s3://no-such-bucket-anywhere") as files, pytest.raises(StoreUnavailable, match="no such bucket"):
        files.local("a.obj")


def test_a_full_disk_is_not_an_absent_object(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(place, a_dot_npy=b"x")

    def full(path: Path, mode: str) -> BinaryIO:
        raise OSError(28, "No space left on device")

    with StoreFiles(place) as files:
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(StoreFull, match="TMPDIR"):
            files.local("a.npy")
        monkeypatch.undo()
        assert files.local("a.npy").read_bytes() == b"x"


def test_downloads_stay_bounded_and_go_in_the_end(place: str) -> None:
    for number in range(9):
        put(place, **{f"{number}_dot_npy": bytes([number])})
    with StoreFiles(place, keep=3) as files:
        paths = []
        for number in range(9):
            paths.append(files.local(f"{number}.npy"))
            assert files.local("0.npy").read_bytes() == b"\0"
        assert [path.exists() for path in paths] == [True, *[False] * 6, True, True]
        scratch = paths[0].parents[1]
        assert files.local("1.npy").read_bytes() == b"\1"
    assert not scratch.exists()


def test_a_name_too_long_for_the_disk_is_shortened(place: str) -> None:
    key = "n" * 300 + ".npy"
    open_store(place).put_if_absent(key, b"x")
    with StoreFiles(place) as files:
        assert files.local(key).name == "object.npy"


def test_a_file_given_as_a_source_says_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "shapes.csv").write_text("uri\n")
    with (
        pytest.raises(FileNotFoundError, match="give its folder as the url"),
        open_files(str(tmp_path / "shapes.csv")),
    ):
        pass
    with pytest.raises(FileNotFoundError, match="does not exist"), open_files(str(tmp_path / "nowhere")):
        pass
