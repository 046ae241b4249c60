"""What `verify`, `gc` and `inspect` tell the user."""

from pathlib import Path

import pytest

from opendlign import keep
from storage.errors import MissingOutput
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import RejectedSample
from storage.shards import ShardWriter
from storage.stores import open_store
from tests.storage.making import identity, make_output


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def test_damage_is_told_once_and_its_remedy_once(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = make_output(open_store(place))
    assert keep.verify(place) == 0
    assert "everything is as its records say" in capsys.readouterr().out
    shard = manifest.shards[1].shard.file
    (Path(place) / manifest.folder / shard).write_bytes(b"x")
    assert keep.verify(place) == 1
    printed = capsys.readouterr().out
    assert printed.count("--repair") == 1
    assert f"damaged: {manifest.folder}: {shard} is damaged: expected sha256" in printed
    assert keep.verify(place, repair=True) == 0
    printed = capsys.readouterr().out
    assert "1 damaged files, 3 objects removed; run again" in printed
    assert f"removed: {manifest.folder}/manifest.json" in printed


def test_what_cannot_be_read_fails_and_says_so(
    place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = make_output(open_store(place))
    shard = manifest.shards[1].shard.file
    path = Path(place) / manifest.folder / shard
    path.unlink()
    path.mkdir()
    for repair in (False, True):
        assert keep.verify(place, repair=repair) == 1
        printed = " ".join(capsys.readouterr().out.split())
        assert f"unread: {manifest.folder}: {shard} could not be read: Is a directory" in printed
        assert "1 objects could not be read" in printed
        assert "--repair" not in printed
    assert open_store(place).exists(f"{manifest.folder}/manifest.json")


STRANGE = "a[/b].ply [bold]x[/] \x1b[31m"


def test_foreign_words_are_printed_as_they_are(place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Rejected ids and reasons come from other people's files; neither markup nor terminal codes may act."""
    store = open_store(place)
    tar = tmp_path / "shard.tar"
    with ShardWriter(tar):
        pass
    recipe = {"note": STRANGE}
    output = StageOutput(store, StageIdentity(stage="ingest", version=1, recipe=recipe))
    output.commit_shard(0, tar, 0, rejected=[RejectedSample(id=STRANGE, reason=f"no [/points] in {STRANGE}")])
    output.commit_manifest(plan_shards(1, 1), files={"table": tar})
    store.put_if_absent(f"{output.folder}/odd[red].tar", b"1")
    assert keep.inspect("ingest", store=place) == 0
    assert keep.verify(place) == 0
    assert keep.gc(place) == 0
    printed = capsys.readouterr().out
    assert "rejected a[/b].ply [bold]x[/] \\x1b[31m: no [/points] in a[/b].ply" in printed
    assert printed.count("odd[red].tar") == 2
    assert "\x1b[31m" not in printed


def test_a_strange_place_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "store [/b]")
    make_output(open_store(place), items=2)
    make_output(open_store(place), identity(1), items=2)
    assert keep.inspect(store=place) == 0
    assert keep.verify(place) == 0
    assert "store [/b]" in capsys.readouterr().out


def test_a_named_store_without_outputs_is_a_mistake(place: str) -> None:
    with pytest.raises(MissingOutput, match="no outputs in"):
        keep.verify(place)
    with pytest.raises(MissingOutput, match="no outputs in"):
        keep.inspect(store=place)


def test_gc_lists_first_and_removes_when_told(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(place)
    kept, gone = make_output(store), make_output(store, identity(1))
    store.put_if_absent(f"timings/{gone.folder}/shard-000000.json", b"{}")
    keep.gc(place, keep=[kept.fingerprint[:8]])
    printed = capsys.readouterr().out
    assert f"timings/{gone.folder}/shard-000000.json" in printed
    assert kept.folder not in printed
    assert "could be removed with --delete" in printed
    assert store.exists(f"{gone.folder}/manifest.json")
    keep.gc(place, keep=[kept.fingerprint[:8]], delete=True)
    assert {info.key.split("/")[1] for info in store.list()} == {kept.fingerprint}
