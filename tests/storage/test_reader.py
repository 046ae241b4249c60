"""Readers give every sample exactly once, in order or from chosen places, and notice damage."""

import json
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import DamagedOutput
from storage.fetch import Fetcher
from storage.local import LocalStore
from storage.output import file_sha256
from storage.reader import SampleReader
from storage.records import Manifest
from storage.s3 import S3Store
from storage.shards import Sample
from storage.store import Store
from tests.storage.making import make_output

ITEMS, SIZE = 50, 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalStore, Manifest]:
    """49 samples (number 3 was rejected) in nine shards, the last one shorter."""
    store = LocalStore(tmp_path_factory.mktemp("store"))
    return store, make_output(store, items=ITEMS, size=SIZE)


def numbers(samples: "list[Sample]") -> list[int]:
    return [json.loads(sample.fields["json"])["number"] for sample in samples]


ALL = [number for number in range(ITEMS) if number != 3]


def test_samples_come_in_order_whole_and_by_range(made: tuple[LocalStore, Manifest]) -> None:
    with SampleReader(*made) as reader:
        assert len(reader) == len(ALL)
        assert numbers(list(reader)) == ALL
        assert numbers(list(reader.read(4, 20))) == ALL[4:20]
        assert numbers(list(reader.read(45))) == ALL[45:]
        assert list(reader.read(20, 20)) == []
        assert list(reader.read(100)) == []


def test_a_range_opens_only_the_shards_that_hold_it(
    made: tuple[LocalStore, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_openings(monkeypatch)
    list(SampleReader(*made).read(12, 14))
    assert opened == [made[1].shards[2].shard.file]


def count_openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened: list[str] = []
    fetch = Fetcher.path

    def noted(self: Fetcher, place: Manifest, stored: object) -> Path:
        opened.append(stored.file)  # type: ignore[attr-defined]
        return fetch(self, place, stored)  # type: ignore[arg-type]

    monkeypatch.setattr(Fetcher, "path", noted)
    return opened


def test_a_pickled_reader_reads(made: tuple[LocalStore, Manifest]) -> None:
    copy = pickle.loads(pickle.dumps(SampleReader(*made, verify=False, keep=7)))
    assert numbers(list(copy)) == ALL
    assert (copy._fetcher.verify, copy._keep) == (False, 7)


def test_chosen_places_come_in_the_order_asked_for(
    made: tuple[LocalStore, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_openings(monkeypatch)
    first, second = made[1].shards[1:3]
    reader = SampleReader(*made)
    places = [(second, 4), (first, 0), (second, 1), (first, 5)]
    assert numbers(list(reader.read_places(places))) == [16, 6, 13, 11]
    assert opened == [second.shard.file, first.shard.file], "each shard once"
    assert numbers(list(reader.read_shard(first, [3, 2]))) == [9, 8]


def damage(store: Store, manifest: Manifest, how: Callable[[bytes], bytes | None]) -> str:
    """Damage the second shard; returns its name."""
    file = manifest.shards[1].shard.file
    key = f"{manifest.folder}/{file}"
    content = how(store.read(key))
    store.delete(key)
    if content is not None:
        store.put_if_absent(key, content)
    return file


def flip(content: bytes) -> bytes:
    return content[:600] + bytes([content[600] ^ 1]) + content[601:]


@pytest.mark.parametrize(("how", "found"), [(flip, "[0-9a-f]{64}"), (lambda content: None, "no object")])
def test_damage_is_named(store: Store, how: Callable[[bytes], bytes | None], found: str) -> None:
    manifest = make_output(store)
    file = damage(store, manifest, how)
    expected = manifest.shards[1].shard.sha256
    with (
        SampleReader(store, manifest) as reader,
        pytest.raises(
            DamagedOutput,
            match=f"ingest/{manifest.fingerprint}: {file} is damaged: expected sha256 {expected}, found {found}",
        ) as caught,
    ):
        list(reader)
    assert (caught.value.stage, caught.value.fingerprint, caught.value.file) == ("ingest", manifest.fingerprint, file)
    thawed = pickle.loads(pickle.dumps(caught.value))
    assert (str(thawed), thawed.file) == (str(caught.value), file)


def test_verification_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    manifest = make_output(store)
    damage(store, manifest, flip)
    assert len(list(SampleReader(store, manifest, verify=False))) == len(list(range(20))) - 1
    from storage.settings import get_settings

    monkeypatch.setenv("OPENDLIGN_VERIFY_READS", "false")
    get_settings.cache_clear()
    try:
        assert len(list(SampleReader(store, manifest))) == 19
    finally:
        get_settings.cache_clear()


@pytest.mark.parametrize("size", [0, 300, 1200, 3000])
def test_an_unverified_shard_cut_short_is_still_noticed(tmp_path: Path, size: int) -> None:
    store = LocalStore(tmp_path)
    manifest = make_output(store)
    file = damage(store, manifest, lambda content: content[:size])
    with pytest.raises(DamagedOutput, match=f"{file} is damaged: expected a tar of 4 samples"):
        list(SampleReader(store, manifest, verify=False))


def test_a_shard_with_too_few_samples_is_noticed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    manifest = make_output(store)
    empty = tmp_path / "empty.tar"
    tarfile.open(empty, "w").close()
    damage(store, manifest, lambda content: empty.read_bytes())
    with pytest.raises(DamagedOutput, match="expected a tar of 4 samples, found 0 samples"):
        list(SampleReader(store, manifest, verify=False))


def fetched(fetcher: Fetcher, manifest: Manifest) -> Path:
    return fetcher.path(manifest, manifest.shards[0].shard)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_has_downloads_of_its_own(
    s3_store: S3Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And leaves those of its parent alone, also when it ends."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    manifest = make_output(s3_store)
    fetcher = Fetcher(s3_store)
    mine = fetched(fetcher, manifest)
    child = os.fork()
    if child == 0:
        fetcher.close()
        theirs = fetched(fetcher, manifest)
        separate = theirs != mine and theirs.read_bytes() == mine.read_bytes()
        del fetcher
        os._exit(0 if separate and not theirs.exists() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert mine.exists()
    fetcher.close()
    assert not mine.exists()
    assert fetched(fetcher, manifest).exists(), "a closed fetcher fetches anew"


def test_a_folder_is_read_in_place_and_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    manifest = make_output(store)
    hashed: list[Path] = []

    def noted(path: Path) -> str:
        hashed.append(path)
        return file_sha256(path)

    monkeypatch.setattr("storage.fetch.file_sha256", noted)
    for _ in range(2):
        path = fetched(fetcher := Fetcher(store), manifest)
        assert fetched(fetcher, manifest) == path == store.path(f"{manifest.folder}/{manifest.shards[0].shard.file}")
    assert hashed == [path, path], "once for each fetcher"
    assert fetched(Fetcher(store, verify=False), manifest) == path
    assert len(hashed) == 2
    path.unlink()
    with pytest.raises(DamagedOutput, match="found no object"):
        fetched(fetcher, manifest)


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    manifest = make_output(store)
    store.path(f"{manifest.folder}/{manifest.file('table').file}").write_bytes(b"damaged")
    with pytest.raises(DamagedOutput), Fetcher(store) as fetcher:
        fetcher.copy(manifest, "table", tmp_path / "out" / "table.json")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_fetcher_hashes_each_file_once_and_keeps_few(
    s3_store: S3Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest = make_output(s3_store)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Fetcher(s3_store, keep=2) as fetcher:
        paths = [fetcher.path(manifest, record.shard) for record in manifest.shards[:3]]
        assert [path.exists() for path in paths] == [False, True, True]
        again = fetcher.path(manifest, manifest.shards[1].shard)
        assert again == paths[1]
        fetcher.path(manifest, manifest.shards[3].shard)
        assert [path.exists() for path in paths] == [False, True, False], "the least recently used went"
        target = fetcher.copy(manifest, "table", tmp_path / "deep" / "table.json")
        assert target.read_bytes() == b'{"shards": 5}'
        assert [path.name for path in target.parent.iterdir()] == ["table.json"]
        copy = pickle.loads(pickle.dumps(Fetcher(LocalStore(tmp_path), verify=False, keep=3)))
        assert (copy.verify, copy._keep) == (False, 3)
    assert [path for path in tmp_path.iterdir() if path.name.startswith("opendlign-")] == []
    forgotten = Fetcher(s3_store)
    scratch = forgotten.path(manifest, manifest.shards[0].shard).parent
    del forgotten
    assert not scratch.exists(), "downloads go with their fetcher"
