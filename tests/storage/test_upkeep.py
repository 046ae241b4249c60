"""Verify finds and repairs exactly what is damaged; garbage is only what nobody needs."""

import errno
import io
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from storage.collect import Beside, delete_all, garbage
from storage.errors import DamagedOutput, MissingOutput, StoreUnavailable
from storage.local import LocalStore
from storage.output import StageOutput, find_manifest, plan_shards
from storage.records import Manifest
from storage.store import ObjectInfo, Store
from storage.upkeep import verify_store
from tests.storage.making import build, contents, identity, make_output
from tests.storage.test_stores import environment


def names(store: Store, manifest: Manifest) -> set[str]:
    return {info.key.removeprefix(f"{manifest.folder}/") for info in store.list(manifest.folder)}


def replace(store: Store, key: str, content: bytes | None) -> None:
    store.delete(key)
    if content is not None:
        store.put_if_absent(key, content)


def test_a_sound_store_is_sound(store: Store) -> None:
    manifest = make_output(store)
    seen: list[str] = []
    health = verify_store(store, repair=True, on_file=seen.append)
    assert health.sound
    assert (health.outputs, health.files) == (1, 11)
    assert health.bytes == sum(stored.bytes for stored in manifest.every_file())
    assert seen == [f"{manifest.folder}/{stored.file}" for stored in manifest.every_file()]
    assert (health.orphans, health.unfinished, health.repaired) == ([], [], [])


def test_an_empty_store_is_sound(store: Store) -> None:
    assert verify_store(store, repair=True).sound


@pytest.mark.parametrize("content", [None, b"", b"something else"])
@pytest.mark.parametrize("what", ["shard", "attachment", "record", "manifest", "file", "identity"])
def test_repair_removes_exactly_the_damage_and_the_next_run_heals(
    tmp_path: Path, what: str, content: bytes | None
) -> None:
    store = LocalStore(tmp_path)
    manifest = make_output(store)
    before = contents(store)
    second = manifest.shards[1]
    damaged = {
        "shard": second.shard.file,
        "attachment": second.attachments[0].file,
        "record": "shard-000001.json",
        "manifest": "manifest.json",
        "file": manifest.files[0].file,
        "identity": "identity.json",
    }[what]
    replace(store, f"{manifest.folder}/{damaged}", content)
    health = verify_store(store)
    if content is None and what in ("manifest", "identity"):
        assert health.sound, "an unfinished output is no damage"
        assert bool(health.unfinished) is (what == "manifest")
    else:
        assert any(damaged in message for message in health.damaged)
        assert contents(store).keys() | {f"{manifest.folder}/{damaged}"} == before.keys(), "looking changes nothing"
        verify_store(store, repair=True)
        gone = {"manifest.json", damaged} | ({"shard-000001.json"} if what in ("shard", "attachment") else set())
        assert names(store, manifest) == {key.rpartition("/")[2] for key in before} - gone
        assert verify_store(store).sound
    make_output(store)
    if not (what == "identity" and content is None):
        assert contents(store) == before


def test_repair_on_s3_as_well(store: Store) -> None:
    manifest = make_output(store)
    before = contents(store)
    replace(store, f"{manifest.folder}/{manifest.shards[2].shard.file}", b"x")
    replace(store, f"{manifest.folder}/{manifest.shards[4].shard.file}", None)
    replace(store, f"{manifest.folder}/shard-000000.json", b"{")
    health = verify_store(store, repair=True)
    assert len(health.damaged) == 3
    plan = plan_shards(20, 4)
    assert [shard.index for shard in StageOutput(store, identity()).missing(plan)] == [0, 2, 4]
    make_output(store)
    assert contents(store) == before


def test_a_manifest_that_repeats_another_record_is_made_again(store: Store) -> None:
    manifest = make_output(store)
    other = manifest.shards[1].model_copy(update={"summary": {"splits": {"train": 99}}})
    replace(store, f"{manifest.folder}/shard-000001.json", other.to_bytes())
    health = verify_store(store, repair=True)
    assert "another record" in health.damaged[0]
    assert health.repaired == [f"{manifest.folder}/manifest.json"]
    assert make_output(store).shards[1] == other


DOCUMENT = re.compile(r"(manifest|identity|shard-\d+)\.json$")


class Troubled(LocalStore):
    """A folder whose objects fail in the given way the first `times` times that each is asked for."""

    def __init__(self, root: Path, trouble: Callable[[str], OSError | None], times: int = 99) -> None:
        super().__init__(root)
        self._trouble = trouble
        self._times = times
        self.asked: Counter[str] = Counter()

    def _stumble(self, key: str) -> None:
        self.asked[key] += 1
        if (error := self._trouble(key)) and self.asked[key] <= self._times:
            raise error

    def read(self, key: str) -> bytes:
        self._stumble(key)
        return super().read(key)

    def open(self, key: str) -> BinaryIO:
        self._stumble(key)
        return super().open(key)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.EMFILE, errno.EACCES])
@pytest.mark.parametrize("only", ["", ".tar", "manifest.json", "shard-000002.json", "identity.json"])
def test_what_cannot_be_read_is_not_damaged(tmp_path: Path, number: int, only: str) -> None:
    manifest = make_output(LocalStore(tmp_path))
    before = contents(LocalStore(tmp_path))
    store = Troubled(tmp_path, lambda key: OSError(number, os.strerror(number)) if key.endswith(only) else None)
    health = verify_store(store, repair=True)
    assert (health.damaged, health.repaired, health.sound) == ([], [], False)
    assert contents(LocalStore(tmp_path)) == before
    assert all(os.strerror(number) in line and manifest.folder in line for line in health.unread)
    assert any(only in line for line in health.unread)


def test_a_bucket_that_refuses_some_objects_loses_none(tmp_path: Path) -> None:
    manifest = make_output(LocalStore(tmp_path))

    class Refusing(LocalStore):
        def open(self, key: str) -> BinaryIO:
            raise StoreUnavailable("s3://bucket: no answer after 3 attempts")

    health = verify_store(Refusing(tmp_path), repair=True)
    assert (len(health.unread), health.damaged, health.repaired) == (len(manifest.every_file()), [], [])


def test_damage_beside_what_cannot_be_read_waits(tmp_path: Path) -> None:
    """While the record cannot be read, nobody can tell whose file is damaged."""
    store = LocalStore(tmp_path)
    manifest = make_output(store)
    shard, record = f"{manifest.folder}/{manifest.shards[1].shard.file}", f"{manifest.folder}/shard-000001.json"
    replace(store, shard, b"other bytes")
    stale = Troubled(tmp_path, lambda key: OSError(errno.ESTALE, "stale") if key == record else None)
    health = verify_store(stale, repair=True)
    assert (len(health.damaged), len(health.unread), health.repaired) == (1, 1, [])
    assert store.exists(shard)


def test_one_bad_look_is_no_damage(tmp_path: Path) -> None:
    """A cable, a cache or a server may spoil bytes on their way, once."""
    manifest = make_output(LocalStore(tmp_path))

    class Flickering(LocalStore):
        looks = 0

        def open(self, key: str) -> BinaryIO:
            if key.endswith(".tar"):
                self.looks += 1
                if odd or self.looks <= bad:
                    return io.BytesIO(f"spoilt {self.looks}".encode())
            return super().open(key)

    bad, odd = len(manifest.shards), False
    assert verify_store(Flickering(tmp_path), repair=True).sound
    odd = True
    health = verify_store(Flickering(tmp_path), repair=True)
    assert (len(health.unread), health.damaged, health.repaired) == (len(manifest.shards), [], [])
    assert "another way each time" in health.unread[0]


def test_a_second_look_reads_the_suspects_alone(tmp_path: Path) -> None:
    store = Troubled(tmp_path, lambda key: None)
    manifest = make_output(store)
    shard = f"{manifest.folder}/{manifest.shards[1].shard.file}"
    replace(store, shard, b"other bytes")
    verify_store(store)
    opened = {key: count for key, count in store.asked.items() if not DOCUMENT.search(key)}
    assert opened == {
        f"{manifest.folder}/{stored.file}": 2 if shard.endswith(stored.file) else 1 for stored in manifest.every_file()
    }


LIMITED = """
import resource, sys
from storage.stores import open_store
from storage.upkeep import verify_store
store = open_store(sys.argv[1])
verify_store(store)
held = [open("/dev/null") for _ in range(20)]
resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1].fileno() + 3, 4096))
health = verify_store(store, repair=True)
print(len(health.damaged), len(health.repaired), len(health.unread) > 0)
"""


def test_a_low_limit_of_open_files_costs_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    make_output(store, items=64)
    before = contents(store)
    ended = subprocess.run([sys.executable, "-c", LIMITED, store.url], env=environment(), capture_output=True)
    assert contents(store) == before
    assert ended.stdout.decode().split()[:2] == ["0", "0"], ended.stderr.decode()


class Watched(LocalStore):
    """A folder in which something happens right after the first listing was taken."""

    def __init__(self, root: Path, then: Callable[[], object]) -> None:
        super().__init__(root)
        self._then: Callable[[], object] | None = then

    def list(self, folder: str = "", starting: str = "") -> Iterator[ObjectInfo]:
        found = list(super().list(folder, starting))
        if (then := self._then) is not None:
            self._then = None
            then()
        return iter(found)


def test_a_writer_at_work_is_no_damage(tmp_path: Path) -> None:
    """The listing knows half of the output when the manifest comes to tell of all of it."""
    store, plan = LocalStore(tmp_path), plan_shards(20, 4)
    for shard in plan[:2]:
        build(StageOutput(store, identity()), shard)
    health = verify_store(Watched(tmp_path, lambda: make_output(store)), repair=True)
    assert (health.damaged, health.unread, health.repaired, health.orphans) == ([], [], [], [])
    assert find_manifest(store, "ingest", identity().fingerprint) is not None


def test_what_is_removed_meanwhile_is_no_damage(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    gone = make_output(store)
    watched = Watched(tmp_path, lambda: delete_all(store, list(store.list(gone.folder))))
    assert verify_store(watched, repair=True).sound


def test_a_shard_on_its_way_is_no_orphan(store: Store) -> None:
    output = StageOutput(store, identity())
    build(output, plan_shards(20, 4)[0])
    store.put_if_absent(f"{output.folder}/shard-000001.0123456789ab.tar", b"its record is on the way")
    health = verify_store(store)
    assert (health.orphans, health.unfinished) == ([], [output.folder])


def test_orphans_are_listed_and_only_they_are_garbage(store: Store) -> None:
    manifest = make_output(store)
    before = contents(store)
    store.put_if_absent(f"{manifest.folder}/shard-000001.0123456789ab.tar", b"what a slower twin wrote")
    store.put_if_absent("timings/ingest/x.json", b"{}")
    orphan = f"{manifest.folder}/shard-000001.0123456789ab.tar"
    health = verify_store(store)
    assert health.sound
    assert [info.key for info in health.orphans] == [orphan]
    assert [info.key for info in garbage(store)] == [orphan]
    delete_all(store, garbage(store))
    store.delete("timings/ingest/x.json")
    assert contents(store) == before


def chain(store: Store) -> dict[str, Manifest]:
    def make(seed: int, stage: str, **upstream: str) -> Manifest:
        return make_output(store, identity(seed, stage, **upstream), items=2)

    ingest = make(0, "ingest")
    project = make(0, "project", ingest=ingest.fingerprint)
    synthesize = make(0, "synthesize", project=project.fingerprint)
    other = make(1, "ingest")
    return {"ingest": ingest, "project": project, "synthesize": synthesize, "other": other}


def test_without_keep_no_output_is_garbage(store: Store) -> None:
    chain(store)
    build(StageOutput(store, identity(5)), plan_shards(4, 4)[0])
    assert garbage(store) == []


def test_what_a_kept_output_was_made_from_is_kept(store: Store) -> None:
    made = chain(store)
    unwanted = garbage(store, {made["project"].fingerprint})
    folders = {info.key.rpartition("/")[0] for info in unwanted}
    assert folders == {made["synthesize"].folder, made["other"].folder}
    delete_all(store, unwanted)
    assert {info.key.rpartition("/")[0] for info in store.list()} == {made["ingest"].folder, made["project"].folder}
    assert verify_store(store).sound


BESIDE = (Beside("timings"), Beside("checkpoints", until="finished"), Beside("features", shared=True))


def put_beside(store: Store, *keys: str) -> None:
    for key in keys:
        store.put_if_absent(key, b"{}")


def test_what_lies_beside_an_output_goes_with_it(store: Store) -> None:
    made = chain(store)
    kept, gone = made["ingest"].folder, made["other"].folder
    unfinished = StageOutput(store, identity(9, "train", ingest=made["ingest"].fingerprint))
    unfinished.declare()
    stays = [f"timings/{kept}/shard-000000.json", f"features/{kept}/both.npz", "features/both.npz"]
    stays += [f"checkpoints/{unfinished.folder}/step-1/state.pt", "notes/of-somebody.txt", "timings/of-somebody.txt"]
    goes = [f"timings/{gone}/shard-000000.json", f"features/{gone}/both.npz", f"features/{gone}/own.npz"]
    goes += ["features/own.npz", "features/of-nobody.npz", f"checkpoints/{kept}/step-1/state.pt"]
    goes += [f"timings/ingest/{'0' * 20}/shard-000000.json", f"checkpoints/train/{'0' * 20}/step-1/state.pt"]
    put_beside(store, *stays, *goes)
    keep = {made["synthesize"].fingerprint, unfinished.identity.fingerprint}
    unwanted = {info.key for info in garbage(store, keep, beside=BESIDE)}
    assert {key for key in unwanted if not key.startswith(gone)} == set(goes)
    delete_all(store, garbage(store, keep, beside=BESIDE))
    assert garbage(store, keep, beside=BESIDE) == []
    assert {info.key for info in store.list()} >= set(stays)


def test_without_keep_only_what_lost_its_output_goes(store: Store) -> None:
    made = chain(store)
    folder = made["other"].folder
    put_beside(store, f"timings/{folder}/a.json", f"features/{folder}/a.npz", "features/a.npz")
    assert garbage(store, beside=BESIDE) == []
    delete_all(store, list(store.list(folder)))
    assert garbage(store) == [], "nothing is beside an output unless somebody says so"
    assert {info.key for info in garbage(store, beside=BESIDE)} == {
        f"timings/{folder}/a.json",
        f"features/{folder}/a.npz",
        "features/a.npz",
    }


def test_an_unfinished_kept_output_keeps_what_it_reads(store: Store) -> None:
    made = chain(store)
    unfinished = StageOutput(store, identity(9, "synthesize", project=made["project"].fingerprint))
    build(unfinished, plan_shards(4, 4)[0])
    store.put_if_absent(f"{unfinished.folder}/shard-000001.0123456789ab.tar", b"its record is on the way")
    unwanted = garbage(store, {unfinished.identity.fingerprint})
    folders = {info.key.rpartition("/")[0] for info in unwanted}
    assert folders == {made["synthesize"].folder, made["other"].folder}


def aged(store: LocalStore, folder: str, days: float, *but: str) -> None:
    """Let a folder look as if nobody had touched it for so long, except the objects whose names end so."""
    for info in store.list(folder):
        path = store.path(info.key)
        before = path.stat().st_mtime - days * 86400
        if not but or not info.key.endswith(but):
            os.utime(path, (before, before))


def test_what_others_are_building_is_kept_with_all_it_reads(tmp_path: Path) -> None:
    """Two presets share a store: `gc --keep` of one must not take what the other one is at work on."""
    store = LocalStore(tmp_path)
    made = chain(store)
    working = StageOutput(store, identity(9, "train", ingest=made["other"].fingerprint))
    build(working, plan_shards(8, 4)[0])
    aged(store, working.folder, 2, ".tar")
    unwanted = {info.key.rpartition("/")[0] for info in garbage(store, {made["ingest"].fingerprint})}
    assert unwanted == {made["project"].folder, made["synthesize"].folder}
    assert garbage(store, {made["ingest"].fingerprint}, older_than=timedelta(days=-1)) != []
    aged(store, working.folder, 0.9)
    assert len({info.key.rpartition("/")[0] for info in garbage(store, {made["ingest"].fingerprint})}) == 2
    aged(store, working.folder, 0.2)
    unwanted = {info.key.rpartition("/")[0] for info in garbage(store, {made["ingest"].fingerprint})}
    assert unwanted == {made["project"].folder, made["synthesize"].folder, made["other"].folder, working.folder}


def test_a_finished_output_is_not_kept_for_being_young(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    made = chain(store)
    assert {info.key.rpartition("/")[0] for info in garbage(store, {made["ingest"].fingerprint})} == {
        made[name].folder for name in ("project", "synthesize", "other")
    }


def test_an_unfinished_output_without_a_declaration_reads_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    made = chain(store)
    unfinished = StageOutput(store, identity(9, "train", ingest=made["other"].fingerprint))
    build(unfinished, plan_shards(8, 4)[0])
    store.delete(f"{unfinished.folder}/identity.json")
    kept = garbage(store, {unfinished.identity.fingerprint})
    assert {info.key.rpartition("/")[0] for info in kept} == {manifest.folder for manifest in made.values()}
    store.put_if_absent(f"{unfinished.folder}/identity.json", identity(8).to_bytes())
    with pytest.raises(DamagedOutput, match=r"identity\.json is damaged: expected that of train/"):
        garbage(store, {unfinished.identity.fingerprint})


def test_a_name_to_keep_that_is_nowhere_deletes_nothing(store: Store) -> None:
    chain(store)
    with pytest.raises(MissingOutput, match="none of the outputs to keep"):
        garbage(store, {"0" * 20})
    assert len(garbage(store, set())) == len(list(store.list()))


def test_garbage_needs_readable_manifests(store: Store) -> None:
    made = chain(store)
    replace(store, f"{made['project'].folder}/manifest.json", b"{")
    with pytest.raises(DamagedOutput, match="verify STORE --repair"):
        garbage(store, {made["synthesize"].fingerprint})


def test_only_old_leftovers_are_garbage(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    make_output(store)
    old, live = tmp_path / ".scratch" / "old", tmp_path / ".scratch" / "live"
    for path in (old, live):
        path.write_bytes(b"half")
    two_days_ago = path.stat().st_mtime - 2 * 86400
    os.utime(old, (two_days_ago, two_days_ago))
    assert [info.key for info in garbage(store)] == [".scratch/old"]
    assert {info.key for info in garbage(store, older_than=timedelta(seconds=-60))} == {
        ".scratch/old",
        ".scratch/live",
    }
    delete_all(store, garbage(store))
    assert (old.exists(), live.exists()) == (False, True)
