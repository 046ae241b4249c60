import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage.errors import RepeatedId
from storage.shards import Sample, ShardFile, ShardWriter, encode_array, encode_json, object_id, sample_key

SAMPLES = {
    sample_key("mesh/chair.v2"): {"json": b"{}\n", "points.npy": encode_array(np.eye(3, dtype=np.float32))},
    sample_key("mesh/" + "long name " * 60): {"00.webp": b"\x00" * 700, "json": b"{}\n"},
    sample_key("m\u00f6bel/\u6905\u5b50"): {"json": encode_json({"label": "\u6905"})},
}


def write(path: Path, samples: dict[str, dict[str, bytes]] = SAMPLES) -> Path:
    with ShardWriter(path) as writer:
        for key, fields in samples.items():
            writer.add(key, fields)
    assert writer.samples == len(samples)
    return path


@given(st.text(alphabet=st.characters()))
@example("a/b.c~d%2F e")
@example("../..")
@example("\ud800")
@example("x" * 5000)
def test_keys_turn_back_and_are_tar_safe(name: str) -> None:
    key = sample_key(name)
    assert object_id(key) == name
    assert not set(key) & set("./~ ")
    assert key.isascii()


@given(st.text(), st.text())
@example("a%2Fb", "a/b")
@example("a.b", "a%2Eb")
def test_different_ids_have_different_keys(left: str, right: str) -> None:
    assert (sample_key(left) == sample_key(right)) == (left == right)


def test_a_shard_gives_back_what_it_was_given(tmp_path: Path) -> None:
    with write(tmp_path / "a.tar").open("rb") as stream:
        shard = ShardFile(stream)
        assert [(sample.key, dict(sample.fields)) for sample in shard] == list(SAMPLES.items())
        assert len(shard) == 3
        assert shard[2].json() == {"label": "\u6905"}
        np.testing.assert_array_equal(shard[0].array("points.npy"), np.eye(3))


def test_the_same_samples_make_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a.tar")
    backwards = {key: dict(reversed(fields.items())) for key, fields in SAMPLES.items()}
    second = write(tmp_path / "b.tar", backwards)
    os.utime(first, (0, 0))
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        assert {(info.mtime, info.uid, info.gid, info.uname, info.gname) for info in tar} == {(0, 0, 0, "", "")}


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
            writer.add(sample_key(name), {"json": b"{}"})
        with pytest.raises(RepeatedId, match="'mesh/twice' occurs twice"):
            writer.add(sample_key("mesh/twice"), {"json": b"{}"})
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


def test_a_disk_that_fills_at_the_end_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still buffered is written by closing."""

    class Full(io.FileIO):
        def close(self) -> None:
            already = self.closed
            super().close()
            if not already:
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


def test_pickled_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        encode_array(np.array([object()], dtype=object))
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        Sample("a", {"x.npy": buffer.getvalue()}).array("x.npy")


def test_json_has_one_spelling_and_no_nan() -> None:
    assert encode_json({"b": 1, "a": "\u00e9"}) == '{"a": "\u00e9", "b": 1}\n'.encode()
    value: Any = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        encode_json({"x": value})
