"""What `verify`, `gc` and `inspect` tell the user."""

from pathlib import Path

import pytest

from opendlign import keep
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


def test_a_named_store_without_outputs_is_a_mistake(place: str) -> None:
    with pytest.raises(ValueError, match="no outputs in"):
        keep.verify(place)
    with pytest.raises(ValueError, match="no outputs in"):
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
