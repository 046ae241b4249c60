"""Compressed glTF: what its encoders were given comes back, and damage costs the file alone."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    Mesh,
    ObjectEntry,
    RejectedObject,
    UnreadableShape,
    ingest_entries,
    read_shape,
)
from opendlign_core.ingestion.readers.meshopt_attributes import decoded_attributes, filtered
from opendlign_core.ingestion.readers.meshopt_indices import decoded_indices
from tests.ingestion import samples

with np.load(samples.MESHOPT) as _file:
    STREAMS = {name: _file[name] for name in _file.files}
NAMES = [name.removesuffix("/stream") for name in STREAMS if name.endswith("/stream")]


def decoded(name: str, stream: bytes) -> bytes:
    content = STREAMS[f"{name}/content"]
    if content.ndim == 2:
        return decoded_attributes(stream, len(content), content[0].nbytes).tobytes()
    mode = "INDICES" if name.startswith("indices") else "TRIANGLES"
    return decoded_indices(stream, len(content), 4, mode).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_streams_of_the_encoder_give_back_what_it_was_given(name: str) -> None:
    stream = STREAMS[f"{name}/stream"].tobytes()
    assert decoded(name, stream) == STREAMS[f"{name}/content"].tobytes()
    with pytest.raises(UnreadableShape, match=r"left over|too early|out of bounds"):
        decoded(name, stream[:1] + stream[2:])
    with pytest.raises(UnreadableShape, match="unknown version"):
        decoded(name, b"\x00" + stream[1:])


def test_colours_come_out_of_luma_and_chroma() -> None:
    # Seven bits of colour: red 127, green 0, blue 0 is luma 31, chroma 64 and -32 to the last bit; alpha is full.
    packed = np.array([[31, 64, -32, 127]], dtype=np.int8).view(np.uint8)
    np.testing.assert_array_equal(filtered(packed, "COLOR"), [[255, 0, 0, 255]])


@pytest.mark.parametrize("extension", ["EXT_meshopt_compression", "KHR_meshopt_compression"])
@pytest.mark.parametrize("positions", ["wedge", "wedge in floats"])
def test_a_quantised_and_compressed_scene_is_the_plain_one(tmp_path: Path, positions: str, extension: str) -> None:
    (tmp_path / "a.glb").write_bytes(samples.meshopt_glb(positions, extension))
    shape = read_shape(tmp_path / "a.glb")
    assert isinstance(shape, Mesh)
    np.testing.assert_array_equal(shape.vertices, samples.VERTICES)
    # The encoder may turn a triangle, never its corners' order.
    turned = {tuple(np.roll(face, -int(np.argmin(face)))) for face in shape.faces}
    assert turned == {tuple(np.roll(face, -int(np.argmin(face)))) for face in samples.FAN}


def document_of(glb: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(glb[12:16], "little")
    return json.loads(glb[20 : 20 + length]), glb[28 + length :]


def test_without_the_extra_the_sentence_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.glb").write_bytes(samples.draco_glb())
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(UnreadableShape, match=r"a\.glb requires KHR_draco_\w+: install the `draco` extra"):
        read_shape(tmp_path / "a.glb")


def test_what_is_stored_plainly_too_is_read_plainly(tmp_path: Path) -> None:
    document, binary = document_of(samples.glb())
    extension = {"KHR_draco_mesh_compression": {"bufferView": 7, "attributes": {"POSITION": 0}}}
    document["meshes"][0]["primitives"][0]["extensions"] = extension
    (tmp_path / "a.glb").write_bytes(samples.as_glb(document, binary))
    assert isinstance(read_shape(tmp_path / "a.glb"), Mesh)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"count": 1 << 40}, "compressed elements"),
        ({"byteStride": 6}, "attributes of 6 bytes"),
        ({"byteLength": 10_000}, "a buffer view of 10000 bytes"),
        ({"mode": "ZIPPED"}, "unknown compression 'ZIPPED'"),
        ({"filter": "QUATERNION"}, "filter QUATERNION, which is not read"),
    ],
)
def test_what_a_compressed_view_declares_is_checked(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    document, binary = document_of(samples.meshopt_glb())
    document["bufferViews"][0]["extensions"]["EXT_meshopt_compression"].update(change)
    (tmp_path / "a.glb").write_bytes(samples.as_glb(document, binary))
    with pytest.raises(UnreadableShape, match=sentence):
        read_shape(tmp_path / "a.glb")


def test_damage_in_a_compressed_file_costs_that_file_alone(
    tmp_path: Path, recipe: IngestRecipe, entry_of: Callable[..., ObjectEntry]
) -> None:
    draco = samples.draco_glb()
    _, body = document_of(draco)
    start = len(draco) - len(body)
    for number in range(40):
        rng = np.random.default_rng([3, number])
        hurt = np.frombuffer(body, dtype=np.uint8).copy()
        hurt[rng.integers(len(b"DRACO"), len(body), 3)] = rng.integers(256, size=3)
        (tmp_path / f"{number:02d}.glb").write_bytes(draco[:start] + hurt.tobytes())
    (tmp_path / "whole.glb").write_bytes(draco)
    names = sorted(path.name for path in tmp_path.iterdir())
    *hurt_ones, whole = ingest_entries(
        [entry_of(name) for name in names], recipe, IngestExecution(workers=1), DirectoryFiles(tmp_path)
    )
    reasons = [one.reason for one in hurt_ones if isinstance(one, RejectedObject)]
    assert len(reasons) > 10
    assert "has compressed geometry that Draco cannot decode" in reasons
    assert all(reason and "\n" not in reason for reason in reasons)
    assert isinstance(whole, IngestedObject)
