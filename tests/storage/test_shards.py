import io
import os
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest

from storage.errors import RepeatedId
from storage.shards import ShardFile, ShardWriter

SAMPLES = {
    "mesh%2Fchair%2Ev2": {"json": b"{}\n", "points.npy": bytes(range(256))},
    "mesh%2F" + "long%20name%20" * 60: {"00.webp": b"\x00" * 700, "json": b"{}\n"},
    "m%C3%B6bel%2Fchair": {"json": b'{"label": "\xe6\xa4\x85"}\n'},
}


def write(path: Path, samples: dict[str, dict[str, bytes]] = SAMPLES) -> Path:
    with ShardWriter(path) as writer:
        for key, fields in samples.items():
            writer.add(key, fields)
    assert writer.samples == len(samples)
    return path


def test_a_shard_gives_back_what_it_was_given(tmp_path: Path) -> None:
    with write(tmp_path / "a.tar").open("rb") as stream:
        shard = ShardFile(stream)
        assert [(sample.key, dict(sample.fields)) for sample in shard] == list(SAMPLES.items())
        assert len(shard) == 3


def test_the_same_samples_make_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a.tar")
    backwards = {key: dict(reversed(fields.items())) for key, fields in SAMPLES.items()}
    second = write(tmp_path / "b.tar", backwards)
    os.utime(first, (0, 0))
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        noted = {(info.mtime, info.uid, info.gid, info.uname, info.gname, info.mode) for info in tar}
    assert noted == {(0, 0, 0, "", "", 0o444)}


@pytest.mark.filterwarnings("ignore:Exception ignored in.*a.tar:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_webdataset_reads_our_shards(tmp_path: Path) -> None:
    import webdataset

    path = write(tmp_path / "a.tar")
    found = list(webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False))
    assert [sample["__key__"] for sample in found] == list(SAMPLES)
    for sample, fields in zip(found, SAMPLES.values(), strict=True):
        assert {name: data for name, data in sample.items() if not name.startswith("__")} == fields


@pytest.mark.parametrize("key", ["", "a.b", "a/b"])
def test_bad_keys_are_refused(tmp_path: Path, key: str) -> None:
    with ShardWriter(tmp_path / "a.tar") as writer, pytest.raises(ValueError, match="not tar-safe"):
        writer.add(key, {"json": b"{}"})
    assert writer.samples == 0


def test_an_id_occurs_once(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "a.tar") as writer:
        for name in ("mesh/twice", "other"):
            writer.add(quote(name, safe=""), {"json": b"{}"})
        with pytest.raises(RepeatedId, match="'mesh/twice' occurs twice"):
            writer.add("mesh%2Ftwice", {"json": b"{}"})
    assert writer.samples == 2


@pytest.mark.parametrize("extension", ["", "JSON", "a/b", ".npy", "a..b", "a b"])
def test_extensions_that_webdataset_would_change_are_refused(tmp_path: Path, extension: str) -> None:
    with ShardWriter(tmp_path / "a.tar") as writer, pytest.raises(ValueError, match="extension"):
        writer.add("key", {extension: b""})


def test_a_sample_without_fields_is_refused(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "a.tar") as writer, pytest.raises(ValueError, match="holds nothing"):
        writer.add("key", {})


def test_an_error_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="midway"), ShardWriter(tmp_path / "a.tar") as writer:
        writer.add("key", {"json": bytes(100_000)})
        raise RuntimeError("midway")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("gone", [False, True])
def test_a_disk_that_fills_at_the_end_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """What is still buffered is written by closing."""

    class Full(io.FileIO):
        def close(self) -> None:
            already = self.closed
            super().close()
            if not already:
                if gone:  # whoever made room for others took this file away as well
                    (tmp_path / "a.tar").unlink()
                raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda self, mode: Full(self, "wb"))
    with pytest.raises(OSError, match="No space"), ShardWriter(tmp_path / "a.tar") as writer:
        writer.add("key", {"json": b"{}"})
    assert not list(tmp_path.iterdir())


def test_a_shard_cut_short_is_noticed(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.tar").read_bytes()
    for size in (0, 100, 700, 1100, len(whole) - 10_240, whole.rindex(b"\n") - 5):
        with pytest.raises(tarfile.ReadError):
            list(ShardFile(io.BytesIO(whole[:size])))


def test_an_error_is_told_even_where_the_file_is_gone_already(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="midway"), ShardWriter(tmp_path / "a.tar") as writer:
        writer.add("key", {"json": b"{}"})
        (tmp_path / "a.tar").unlink()
        raise RuntimeError("midway")
