"""Verify finds and repairs exactly what is damaged; garbage is only what nobody needs."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from storage.collect import Beside, delete_all, garbage
from storage.errors import DamagedOutput, MissingOutput
from storage.local import LocalStore
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.stores import Store
from storage.upkeep import verify_store
from tests.storage.making import build, contents, identity, make_output


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
    stays += [f"checkpoints/{unfinished.folder}/step-1/state.pt", "notes/of-somebody.txt"]
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
    folders = {info.key.rpartition("/")[0] for info in garbage(store, {unfinished.identity.fingerprint})}
    assert folders == {made["synthesize"].folder, made["other"].folder}


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
