"""The commit protocol, also under kill -9 and with two workers at once."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.errors import ConflictingOutput, DamagedOutput, InvalidDocument, MissingOutput
from storage.local import LocalStore
from storage.output import (
    ShardRange,
    StageOutput,
    file_sha256,
    find_manifest,
    load_manifest,
    plan_shards,
    read_identity,
)
from storage.store import Store
from tests.servers import S3Server
from tests.storage.making import build, contents, finish, identity, make_output
from tests.storage.test_stores import environment


def test_a_plan_covers_every_input_once() -> None:
    assert plan_shards(10, 4) == (ShardRange(0, 0, 4), ShardRange(1, 4, 8), ShardRange(2, 8, 10))
    assert plan_shards(0, 4) == ()
    with pytest.raises(ValueError, match="not 0"):
        plan_shards(10, 0)


def test_a_large_plan_is_looked_up_in_parts(tmp_path: Path) -> None:
    output, plan = StageOutput(LocalStore(tmp_path), identity()), plan_shards(20_001, 1)
    done = {0, 999, 1000, 9_999, 10_000, 20_000}
    for index in done:
        output.store.put_if_absent(f"{output.folder}/shard-{index:06d}.json", b"{}")
    assert {shard.index for shard in plan} - {shard.index for shard in output.missing(plan)} == done
    assert output.committed() == done


def test_an_output_from_plan_to_manifest(store: Store) -> None:
    output, plan = StageOutput(store, identity()), plan_shards(10, 4)
    assert output.missing(plan) == list(plan)
    build(output, plan[1])
    assert output.missing(plan) == [plan[0], plan[2]]
    assert output.manifest() is None
    with pytest.raises(MissingOutput, match=r"shards \[0, 2\] of 3"):
        finish(output, plan)
    with pytest.raises(MissingOutput, match="run `opendlign ingest` first"):
        load_manifest(store, "ingest", output.identity.fingerprint)
    for shard in output.missing(plan):
        build(output, shard)
    manifest = finish(output, plan)
    assert (manifest.samples, manifest.rejected) == (9, 1)
    assert manifest.summary == {"splits": {"train": 9}}
    assert [record.index for record in manifest.shards] == [0, 1, 2]
    assert manifest.shards[0].rejected[0].reason == "three"
    assert manifest == load_manifest(store, "ingest", output.identity.fingerprint) == output.manifest()
    with pytest.raises(MissingOutput, match="only"):
        manifest.file("nothing")
    for stored in manifest.every_file():
        assert stored.sha256[:12] in stored.file
        assert len(store.read(f"{manifest.folder}/{stored.file}")) == stored.bytes


def test_what_lacks_is_named_in_part(store: Store) -> None:
    output = StageOutput(store, identity())
    output.declare()
    with pytest.raises(MissingOutput, match=r"shards \[0, 1, 2, 3, 4, 5, 6, 7, 8, 9\] of 12 are not built yet"):
        output.commit_manifest(plan_shards(12, 1))


def test_an_identity_that_is_another_s_is_noticed(store: Store) -> None:
    output, other = StageOutput(store, identity()), identity(1)
    store.put_if_absent(f"{output.folder}/identity.json", other.to_bytes())
    with pytest.raises(DamagedOutput, match=rf"expected that of {output.folder}, found {other.folder}"):
        read_identity(store, "ingest", output.identity.fingerprint)
    output.store.delete(f"{output.folder}/identity.json")
    output.declare()
    assert read_identity(store, "ingest", output.identity.fingerprint) == output.identity


def test_the_names_in_a_folder_are_the_documented_ones(store: Store) -> None:
    manifest = make_output(store, items=4)
    names = [re.sub(r"[0-9a-f]{12}", "#", info.key.rpartition("/")[2]) for info in store.list(manifest.folder)]
    assert names == [
        "identity.json",
        "manifest.json",
        "notes-000000.#.txt",
        "shard-000000.#.tar",
        "shard-000000.json",
        "table.#.json",
    ]


def test_an_unfinished_output_says_what_it_is(store: Store) -> None:
    output = StageOutput(store, identity(project="f" * 20))
    build(output, ShardRange(0, 0, 2))
    found = type(output.identity).model_validate_json(store.read(f"{output.folder}/identity.json"))
    assert found == output.identity
    output.declare()


def test_the_first_record_counts(store: Store, tmp_path: Path) -> None:
    output = StageOutput(store, identity())
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    mine = output.commit_shard(0, first, 1)
    assert output.commit_shard(0, second, 1) == mine
    assert StageOutput(store, identity()).commit_shard(0, second, 2) == mine
    manifest = output.commit_manifest([ShardRange(0, 0, 1)])
    assert manifest.shards == (mine,)
    assert StageOutput(store, identity()).commit_manifest((), {"x": first}) == manifest


def test_the_name_of_a_committed_file_is_its_role(store: Store, tmp_path: Path) -> None:
    """Not that of the temporary file it came from, or manifests would differ from run to run."""
    path = tmp_path / "tmpx7f3.json"
    path.write_text("{}")
    sha = file_sha256(path)[:12]
    manifest = StageOutput(store, identity()).commit_manifest((), {"results.json": path, "report": path})
    assert [stored.file for stored in manifest.files] == [f"report.{sha}.json", f"results.{sha}.json"]
    with pytest.raises(ValueError, match="cannot name"):
        StageOutput(store, identity(1)).commit_manifest((), {"../x": path})


@pytest.mark.parametrize("content", [b"", b"{", b'{"index": 0}', b"\xff\xfe"])
def test_a_damaged_document_is_named(store: Store, content: bytes) -> None:
    output = StageOutput(store, identity())
    store.put_if_absent(f"{output.folder}/shard-000000.json", content)
    with pytest.raises(DamagedOutput, match=r"shard-000000\.json is damaged: expected a ShardRecord"):
        output.commit_manifest([ShardRange(0, 0, 1)])
    store.put_if_absent(f"{output.folder}/manifest.json", content)
    with pytest.raises(DamagedOutput, match=r"manifest\.json is damaged.*verify STORE --repair"):
        output.manifest()


def test_documents_of_another_output_are_noticed(store: Store, tmp_path: Path) -> None:
    manifest = make_output(store)
    other = StageOutput(store, identity(1))
    store.put_if_absent(f"{other.folder}/manifest.json", manifest.to_bytes())
    with pytest.raises(DamagedOutput, match="that of ingest/"):
        other.manifest()
    third = StageOutput(store, identity(2))
    store.put_if_absent(f"{third.folder}/shard-000001.json", manifest.shards[0].to_bytes())
    with pytest.raises(DamagedOutput, match="that of 0"):
        third.records([ShardRange(1, 0, 1)])
    fourth = StageOutput(store, identity(3))
    store.put_if_absent(f"{fourth.folder}/identity.json", identity(4).to_bytes())
    with pytest.raises(ConflictingOutput, match="another recipe"):
        fourth.declare()


def test_summaries_that_disagree_stop_the_manifest(store: Store, tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    tar.write_bytes(b"")
    output, plan = StageOutput(store, identity()), plan_shards(2, 1)
    for shard, backend in zip(plan, ("cpu", "gpu"), strict=True):
        output.commit_shard(shard.index, tar, 1, summary={"backend": backend, "exact": True, "n": 1})
    with pytest.raises(ConflictingOutput, match=r"'backend'.*by the same means"):
        output.commit_manifest(plan)


def remove(store: Store, folder: str, *names: str) -> None:
    for name in names:
        assert store.exists(f"{folder}/{name}")
        store.delete(f"{folder}/{name}")


def test_a_record_that_was_made_again_counts(store: Store, tmp_path: Path) -> None:
    """Somebody repaired the store and another worker built a shard anew, with other bytes, while this one went on."""
    output, plan = StageOutput(store, identity()), plan_shards(8, 4)
    for shard in plan:
        build(output, shard)
    old = output.records(plan)[0]
    remove(store, output.folder, "shard-000000.json", old.shard.file)
    tar = tmp_path / "other.tar"
    tar.write_bytes(b"other bytes")
    new = StageOutput(store, identity()).commit_shard(0, tar, 3)
    manifest = output.commit_manifest(plan)
    assert manifest.shards[0] == new
    assert all(store.exists(f"{manifest.folder}/{stored.file}") for stored in manifest.every_file())


def test_records_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, plan, read = LocalStore(tmp_path), plan_shards(8, 4), []
    output = StageOutput(store, identity())
    for shard in plan:
        build(output, shard)

    def noted(self: LocalStore, key: str) -> bytes:
        read.append(key.rpartition("/")[2])
        return self.path(key).read_bytes()

    monkeypatch.setattr(LocalStore, "read", lambda self, key: noted(self, key))
    output.records(plan)
    assert sorted(read) == ["shard-000000.json", "shard-000001.json"]
    output.records(plan)
    assert len(read) == 2


@pytest.mark.parametrize("content", [None, b"cut"])
@pytest.mark.parametrize("role", ["shard", "notes"])
def test_a_manifest_never_names_a_file_that_is_not_there(store: Store, role: str, content: bytes | None) -> None:
    output, plan = StageOutput(store, identity()), plan_shards(8, 4)
    records = [build(output, shard) for shard in plan]
    (file,) = (stored.file for stored in records[1].files if stored.name == role)
    remove(store, output.folder, file)
    if content is not None:
        store.put_if_absent(f"{output.folder}/{file}", content)
    found = "no object" if content is None else "3 bytes"
    with pytest.raises(DamagedOutput, match=rf"{file} is damaged: expected \d+ bytes, found {found}.*--repair"):
        output.commit_manifest(plan)
    assert output.manifest() is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [float("-inf")]}])
def test_what_would_not_read_back_is_not_committed(store: Store, tmp_path: Path, value: object) -> None:
    """JSON has no such number: the file would say null, or be refused by its own reader."""
    tar = tmp_path / "a.tar"
    tar.write_bytes(b"")
    output = StageOutput(store, identity())
    with pytest.raises(InvalidDocument, match=r"ShardRecord.*summary.*finite"):
        output.commit_shard(0, tar, 1, summary={"margin": value})
    assert output.committed() == frozenset()
    output.commit_shard(0, tar, 1, summary={"margin": 1.5})
    with pytest.raises(InvalidDocument, match=r"Manifest.*summary.*finite"):
        output.commit_manifest(plan_shards(1, 1), summary={"other": value})
    assert output.manifest() is None


WORKER = """
import sys
from storage.output import StageOutput, plan_shards
from storage.stores import open_store
from tests.storage.making import build, finish, identity
output, plan = StageOutput(open_store(sys.argv[1]), identity()), plan_shards(24, 4)
print("ready", flush=True)
for shard in output.missing(plan):
    build(output, shard)
finish(output, plan)
"""


def start_worker(store: Store, s3: S3Server) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, store.url], env=environment(s3), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def assert_every_visible_object_is_whole(store: Store, expected: dict[str, bytes]) -> None:
    for key, content in contents(store).items():
        assert content == expected[key], f"{key} is visible but not what an undisturbed run makes"


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, bytes]:
    """What an undisturbed run leaves in a store."""
    undisturbed = LocalStore(tmp_path / "undisturbed")
    make_output(undisturbed, items=24)
    return contents(undisturbed)


@pytest.mark.server
def test_kill_9_while_committing_never_shows_half_an_object(
    store: Store, s3: S3Server, expected: dict[str, bytes]
) -> None:
    # The delays spread the kills over the whole commit, which takes about a tenth of a second here, more on S3.
    for delay in (0.0, 0.01, 0.05, 0.1):
        worker = start_worker(store, s3)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        time.sleep(delay)
        worker.send_signal(signal.SIGKILL)
        worker.communicate(timeout=60)
        assert_every_visible_object_is_whole(store, expected)
    worker = start_worker(store, s3)
    assert worker.wait(60) == 0, worker.communicate()[1].decode()
    worker.communicate()
    assert contents(store) == expected


@pytest.mark.server
def test_two_runs_at_once_make_one_output(store: Store, s3: S3Server, expected: dict[str, bytes]) -> None:
    workers = [start_worker(store, s3) for _ in range(2)]
    for worker in workers:
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == 0, errors.decode()
    assert contents(store) == expected


@pytest.mark.parametrize("step", range(1, 8))
def test_a_write_that_fails_midway_leaves_whole_objects_and_a_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes], step: int
) -> None:
    """Every flush to disk of a commit fails in its turn, as on a disk that fills."""
    store, calls = LocalStore(tmp_path / "store"), 0
    flush = os.fsync

    def fail(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise OSError(28, "No space left on device")
        flush(handle)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Exception, match="disk is full"):
        make_output(store, items=24)
    assert_every_visible_object_is_whole(store, expected)
    assert find_manifest(store, "ingest", identity().fingerprint) is None
    make_output(store, items=24)
    assert contents(store) == expected
    assert not list((tmp_path / "store" / ".scratch").iterdir())
