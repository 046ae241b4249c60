"""Packed files, texts in 16 bits, and files that are no shapes: read, or refused by what they are."""

import bz2
import gzip
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestExecution,
    IngestRecipe,
    Mesh,
    ObjectEntry,
    RejectedObject,
    SourceSpec,
    UnreadableShape,
    ingest_entries,
    list_entries,
    read_shape,
)
from opendlign_core.ingestion.adapters.lists import split_uri
from tests.ingestion import samples


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def vertices(path: Path, member: str | None = None) -> int:
    shape = read_shape(path, member)
    assert isinstance(shape, Mesh)
    return len(shape.vertices)


@pytest.mark.parametrize(("name", "pack"), [("a.obj.gz", gzip.compress), ("a.OFF.bz2", bz2.compress)])
def test_one_packed_file_is_read_as_what_it_packs(tmp_path: Path, name: str, pack: object) -> None:
    plain = samples.obj() if "obj" in name else samples.off()
    packed = written(tmp_path, name, pack(plain))  # type: ignore[operator]
    bare = written(tmp_path, "a.obj" if "obj" in name else "a.off", plain)
    assert vertices(packed) == vertices(bare)


def test_a_packed_file_that_swells_is_refused(tmp_path: Path) -> None:
    swollen = written(tmp_path, "a.obj.gz", gzip.compress(b" " * (64 << 20)))
    with pytest.raises(UnreadableShape, match="unpacks to more than"):
        read_shape(swollen)


def test_a_gltf_in_an_archive_finds_its_buffers_there(tmp_path: Path) -> None:
    document, buffer = samples.gltf_document(embed=False)
    document = {**document, "buffers": [{"byteLength": len(buffer), "uri": "data/mesh.bin"}]}
    members = {"scene/model.gltf": json.dumps(document).encode(), "scene/data/mesh.bin": buffer}
    assert vertices(written(tmp_path, "a.zip", samples.zipped(members))) > 0
    outside = {"scene/model.gltf": json.dumps(document).encode(), "mesh.bin": buffer}
    with pytest.raises(UnreadableShape, match="does not exist beside it"):
        read_shape(written(tmp_path, "b.zip", samples.zipped(outside)))


def test_of_several_shapes_in_an_archive_one_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "two.zip", samples.zipped({"a.off": samples.off(), "b.stl": samples.stl_binary()}))
    with pytest.raises(UnreadableShape, match=r"holds 2 shapes \(a\.off, b\.stl\).*uri#a\.off"):
        read_shape(path)
    assert split_uri("two.zip#a.off") == ("two.zip", "a.off")
    assert vertices(path, "a.off") != vertices(path, "b.stl")
    with pytest.raises(UnreadableShape, match=r"holds no 'c\.off'"):
        read_shape(path, "c.off")


def test_xml_in_16_bits_is_read(tmp_path: Path) -> None:
    plain = samples.dae().decode()
    wide = written(tmp_path, "wide.dae", plain.replace("utf-8", "utf-16").encode("utf-16"))
    np.testing.assert_array_equal(
        read_shape(wide).vertices,  # type: ignore[union-attr]
        read_shape(written(tmp_path, "plain.dae", plain.encode())).vertices,  # type: ignore[union-attr]
    )
    with pytest.raises(UnreadableShape, match="document type"):
        read_shape(written(tmp_path, "typed.dae", "<!DOCTYPE x><x/>".encode("utf-16")))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.fbx", b"x", r"no reader takes: export it as \.glb"),
        ("a.dxf", b"x", r"is a drawing \(\.dxf\)"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nl 1 2 3\n", "a drawing"),
    ],
)
def test_what_is_no_shape_is_refused_by_what_it_is(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(UnreadableShape, match=sentence):
        read_shape(written(tmp_path, name, content))


def test_a_lattice_is_refused_by_name(tmp_path: Path) -> None:
    model = (
        '<model unit="millimeter"><resources><object id="1"><mesh><vertices><vertex x="0" y="0" z="0"/>'
        '<vertex x="1" y="1" z="0"/></vertices><triangles/><beamlattice><beams><beam v1="0" v2="1"/></beams>'
        '</beamlattice></mesh></object></resources><build><item objectid="1"/></build></model>'
    )
    path = written(tmp_path, "a.3mf", samples.zipped({"3D/3dmodel.model": model.encode()}))
    with pytest.raises(UnreadableShape, match="lattice of beams"):
        read_shape(path)


def listed(folder: Path, **options: str) -> list[ObjectEntry]:
    return list(list_entries(SourceSpec(adapter="folder", url=str(folder), options=options), DirectoryFiles(folder)))


def test_files_that_no_reader_takes_are_counted_by_suffix(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "mug"
    folder.mkdir()
    for name in ("a.off", "b.fbx", "c.FBX", "d.blend", "notes.md", "e.tar.gz", "f.json"):
        (folder / name).write_bytes(samples.off())
    (folder / "g.zip").write_bytes(samples.zipped({"readme.md": b"x"}))
    with caplog.at_level(logging.WARNING):
        assert [entry.uri for entry in listed(tmp_path)] == ["mug/a.off"]
    assert "1 .blend, 2 .fbx, 1 .zip without a shape at" in caplog.text


def test_a_folder_takes_packed_files_and_every_shape_of_an_archive(tmp_path: Path, recipe: IngestRecipe) -> None:
    (tmp_path / "mug").mkdir()
    written(tmp_path / "mug", "a.off.gz", gzip.compress(samples.off()))
    written(tmp_path / "mug", "one.zip", samples.zipped({"deep/a.obj": samples.obj(), "notes.txt": b"1 2 3"}))
    written(tmp_path / "mug", "two.zip", samples.zipped({"a.obj": samples.obj(), "sub/b.stl": samples.stl_binary()}))
    written(tmp_path, "all.zip", samples.zipped({"cup/a.off": samples.off(), "test/cup/b.off": samples.off()}))
    written(tmp_path, "notes.txt.gz", gzip.compress(b"1 2 3"))
    written(tmp_path / "mug", "torn.zip", samples.zipped({"a.obj": samples.obj()})[:60])
    entries = listed(tmp_path)
    assert [(entry.object_id, entry.split, entry.label, entry.member) for entry in entries] == [
        ("folder/cup/all.zip/a.off", "train", "cup", "cup/a.off"),
        ("folder/test/cup/all.zip/b.off", "test", "cup", "test/cup/b.off"),
        ("folder/mug/a.off.gz", "train", "mug", None),
        ("folder/mug/one.zip", "train", "mug", None),
        ("folder/mug/torn.zip", "train", "mug", None),
        ("folder/mug/two.zip/a.obj", "train", "mug", "a.obj"),
        ("folder/mug/two.zip/sub/b.stl", "train", "mug", "sub/b.stl"),
    ]
    outcomes = ingest_entries(entries, recipe, IngestExecution(workers=1), DirectoryFiles(tmp_path))
    refused = [one.entry.uri for one in outcomes if isinstance(one, RejectedObject)]
    assert refused == ["mug/torn.zip"]
    assert [entry.uri for entry in listed(tmp_path, suffixes="gz")] == ["mug/a.off.gz", "notes.txt.gz"]
