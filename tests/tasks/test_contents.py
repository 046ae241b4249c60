"""A source is known by what its files hold: every byte that an object is made of counts, and nothing else."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from flows.plan import plan_graph
from flows.preset import build_preset
from flows.sources import list_sources
from opendlign_core.errors import BadInput
from opendlign_core.ingestion import IngestExecution, IngestRecipe, SourceSpec
from storage.records import Manifest
from storage.store import Store
from tasks.ingest import INGEST
from tasks.listing import list_source
from tests.servers import ROOT
from tests.tasks.making import at_work, build, make
from tests.tasks.test_files import TRIANGLE, gltf

ONE_WORKER = IngestExecution(workers=1)
opened: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        opened.append(str(arguments[0]))


sys.addaudithook(_note)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "mug"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(3):
        np.save(folder / f"{number}.npy", random.normal(size=(64, 3)).astype(np.float32))
    (folder / "scene.gltf").write_bytes(gltf("data/buffer.bin"))
    (folder / "data").mkdir()
    (folder / "data/buffer.bin").write_bytes(TRIANGLE.tobytes())
    return folder.parent


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Waits until files are old enough to be told from files that are being written, which is sooner than usual."""
    monkeypatch.setattr("tasks.digests.SETTLED_SECONDS", 0.1)
    return lambda: time.sleep(0.2)


def recipe(folder: Path) -> IngestRecipe:
    return IngestRecipe(source=SourceSpec(adapter="folder", url=str(folder)), points=32, shard_size=2)


def fingerprint(folder: Path) -> str:
    return INGEST.identify(recipe(folder), {}, list_source(recipe(folder))).fingerprint


def replace(path: Path) -> None:
    """Other bytes, of the same length and with the same time."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def run(store: Store, folder: Path) -> Manifest:
    return make(INGEST, store, recipe(folder), execution=ONE_WORKER)


@pytest.mark.parametrize("name", ["mug/1.npy", "mug/scene.gltf", "mug/data/buffer.bin"])
def test_other_bytes_are_another_source(source: Path, name: str) -> None:
    before = fingerprint(source)
    replace(source / name)
    assert fingerprint(source) != before


def test_a_buffer_that_comes_later_is_noticed(source: Path) -> None:
    (source / "mug/data/buffer.bin").rename(source / "mug/data/other")
    before = fingerprint(source)
    (source / "mug/data/other").rename(source / "mug/data/buffer.bin")
    assert fingerprint(source) != before


def test_what_no_object_is_made_of_does_not_count(source: Path) -> None:
    before = fingerprint(source)
    (source / "mug/notes.md").write_text("a note")
    for path in source.rglob("*.npy"):
        path.touch()
    assert fingerprint(source) == before


def test_the_second_look_reads_no_shape(source: Path, settled: Callable[[], None]) -> None:
    settled()
    before = fingerprint(source)
    opened.clear()
    assert fingerprint(source) == before
    assert not [name for name in opened if name.startswith(str(source))]


def test_what_is_remembered_is_the_users_alone_and_damage_does_no_harm(
    source: Path, cache: Path, settled: Callable[[], None]
) -> None:
    settled()
    before = fingerprint(source)
    (remembered,) = cache.rglob("*.json")
    assert remembered.parent.stat().st_mode & 0o077 == 0
    for damage in (b"", b"{", b"[1]", b'{"mug/0.npy": 7}'):
        remembered.write_bytes(damage)
        assert fingerprint(source) == before


def test_two_processes_may_look_at_once(source: Path, cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.tasks.test_contents import fingerprint\n"
        "print(fingerprint(Path(sys.argv[1])))"
    )
    words = [sys.executable, "-c", code, str(source)]
    running = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {process.communicate()[0].strip() for process in running} == {fingerprint(source)}


@pytest.mark.parametrize("change", [replace, Path.unlink])
def test_a_file_that_changes_under_the_ingest_fails_its_shard(
    source: Path, store: Store, change: Callable[[Path], None]
) -> None:
    with at_work(INGEST, store, recipe(source), execution=ONE_WORKER) as job:
        change(source / "mug/0.npy")
        with pytest.raises(BadInput, match=r"mug/0\.npy has changed since .* run .* again"):
            build(INGEST, job)
    assert not [info for info in store.list("ingest") if "shard-000000" in info.key]


@pytest.fixture
def vast(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any source counts as too large to hash before it is ingested."""
    monkeypatch.setattr("tasks.contents.MOST_HASHED_BYTES", 100)
    yield


def test_a_vast_source_is_hashed_as_it_is_ingested(
    source: Path, store: Store, vast: None, settled: Callable[[], None]
) -> None:
    opened.clear()
    before = fingerprint(source)
    assert not [name for name in opened if name.startswith(str(source))]
    manifest = run(store, source)
    assert manifest.fingerprint == before
    notes = [note for shard in manifest.shards for note in shard.attachments if note.name == "contents"]
    noted = [json.loads(store.read(f"{manifest.folder}/{note.file}")) for note in notes]
    contents = {key: digest for part in noted for key, digest in part.items()}
    assert sorted(contents) == ["mug/0.npy", "mug/1.npy", "mug/2.npy", "mug/scene.gltf"]
    settled()
    assert INGEST.changed_since(store, recipe(source), manifest) == []
    replace(source / "mug/data/buffer.bin")
    replace(source / "mug/1.npy")
    assert fingerprint(source) == before
    assert INGEST.changed_since(store, recipe(source), manifest) == ["mug/1.npy", "mug/scene.gltf"]
    chosen = build_preset({"ingest": recipe(source).model_dump(mode="json")})
    (status, *_) = plan_graph(store, chosen.graph, list_sources(chosen))
    assert (status.state, status.remarks[0]) == ("done", "made from other bytes of mug/1.npy")


def test_ten_thousand_small_files_are_planned_at_once(tmp_path: Path, settled: Callable[[], None]) -> None:
    folder = tmp_path / "many" / "mug"
    folder.mkdir(parents=True)
    content = b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    for number in range(10_000):
        (folder / f"{number}.off").write_bytes(content + str(number).encode())
    settled()
    before = fingerprint(folder.parent)
    started = time.perf_counter()
    assert fingerprint(folder.parent) == before
    assert time.perf_counter() - started < 4  # 0.6 s where nothing else runs
