"""Hostile and damaged files: each is refused with a reason, and nothing large is allocated on the way."""

import json
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from opendlign_core.ingestion import UnreadableShape, read_shape
from opendlign_core.ingestion.safety import parsing
from tests.ingestion import samples


def refusal(tmp_path: Path, data: bytes, name: str) -> str:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UnreadableShape) as caught:
        read_shape(path)
    return str(caught.value)


def npy_header(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def pcd_header(points: int, layout: str) -> bytes:
    fields = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
    return f"VERSION 0.7\n{fields}WIDTH {points}\nHEIGHT 1\nPOINTS {points}\nDATA {layout}\n".encode()


def ply_header(vertices: int, layout: str) -> bytes:
    return (
        f"ply\nformat {layout} 1.0\nelement vertex {vertices}\n"
        "property float x\nproperty float y\nproperty float z\nend_header\n"
    ).encode()


BILLION = 10**9
ABSURD: dict[str, tuple[str, bytes]] = {
    "npy": ("a.npy", npy_header(f"({BILLION}, 3)") + b"\x00" * 64),
    "npy negative": ("a.npy", npy_header("(-5, 3)") + b"\x00" * 64),
    "npy header of 4 GiB": ("a.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFF0) + b"{"),
    "npz": ("a.npz", samples.zipped({"points.npy": npy_header(f"({BILLION}, 3)") + b"\x00" * 64})),
    "ply binary": ("a.ply", ply_header(BILLION, "binary_little_endian") + b"\x00" * 64),
    "ply ascii": ("a.ply", ply_header(BILLION, "ascii") + b"0 0 0\n"),
    "ply negative": ("a.ply", ply_header(-3, "ascii") + b"0 0 0\n"),
    "pcd ascii": ("a.pcd", pcd_header(BILLION, "ascii") + b"0 0 0\n"),
    "pcd binary": ("a.pcd", pcd_header(BILLION, "binary") + b"\x00" * 64),
    "pcd compressed": (
        "a.pcd",
        pcd_header(BILLION // 1000, "binary_compressed") + struct.pack("<II", 16, BILLION // 1000 * 12) + b"\x00" * 16,
    ),
    "off": ("a.off", f"OFF\n{BILLION} 1 0\n0 0 0\n".encode()),
    "off negative": ("a.off", b"OFF\n-8 6 0\n0 0 0\n"),
    "off face": ("a.off", b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n1000000000 0 1 2\n"),
    "stl": ("a.stl", b"\x00" * 80 + struct.pack("<I", BILLION) + b"\x00" * 50),
    "las": ("a.las", samples.las()[:107] + struct.pack("<I", BILLION) + samples.las()[111:]),
    "laz chunks": ("a.laz", samples.las(".laz")[:-40] + b"\x00" * 4 + b"\xff" * 36),
    "glb": ("a.glb", samples.glb().replace(b'"count": 6', b'"count": 999999999')),
}


@pytest.mark.parametrize("case", ABSURD)
def test_absurd_counts_cost_no_memory(tmp_path: Path, case: str) -> None:
    name, data = ABSURD[case]
    refusal(tmp_path, data, "warm" + name)
    tracemalloc.start()
    try:
        reason = refusal(tmp_path, data, name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert "declare" in reason or "corners" in reason or "claims" in reason or "header" in reason


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e39"])
@pytest.mark.parametrize("suffix", [".off", ".obj", ".xyz", ".ply"])
def test_values_that_are_no_coordinates(tmp_path: Path, value: str, suffix: str) -> None:
    data = samples.SAMPLES[suffix][0]().replace(b"3.0 2.0 0.0", f"3.0 {value} 0.0".encode())
    assert "NaN or infinite" in (reason := refusal(tmp_path, data, f"a{suffix}")) or "beyond" in reason


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.xyz", b"1 2 3\n1 2 3\n", "coincide"),
        ("a.off", b"OFF\n3 1 0\n1 1 1\n1 1 1\n1 1 1\n3 0 1 2\n", "coincide"),
        ("a.off", b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", "vertex 3 of 3"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 -9\n", "face on vertex"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "starts at 1"),
        ("a.stl", b"", "is empty"),
        ("a.stl", b"solid a\nendsolid a\n", "no triangles"),
        ("a.xyz", b"1 2 3\n4 5\n", "different lengths"),
        ("a.xyz", b"1 2\n4 5\n", "rows of 2 numbers"),
        ("a.json", b"[" * 100_000, "not a valid JSON"),
        ("a.pcd", b"DATA ascii\n", "not a valid PCD"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\x00" * 100, "not a valid HDF5"),
        ("a.zip", samples.zipped({"a.obj": samples.obj(), "b.obj": samples.obj()}), "holds 2 shapes"),
    ],
)
def test_damaged_files_are_refused_with_a_reason(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    assert reason in refusal(tmp_path, data, name)


@pytest.mark.parametrize(
    "uri",
    [
        "../secret.bin",
        "/etc/passwd",
        "file:///etc/passwd",
        "%2e%2e/secret.bin",
        "a/../../secret.bin",
        "..\\secret.bin",
        "http://host/x.bin",
    ],
)
def test_gltf_buffers_outside_the_folder(tmp_path: Path, uri: str) -> None:
    document, binary = samples.gltf_document(embed=False)
    (tmp_path / "secret.bin").write_bytes(binary)
    document["buffers"] = [{"uri": uri, "byteLength": len(binary)}]
    folder = tmp_path / "model"
    folder.mkdir()
    assert "outside its folder" in refusal(folder, json.dumps(document).encode(), "a.gltf")


def test_gltf_buffers_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    document, binary = samples.gltf_document(embed=False)
    (tmp_path / "secret.bin").write_bytes(binary)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    document["buffers"] = [{"uri": "link.bin", "byteLength": len(binary)}]
    assert "outside its folder" in refusal(folder, json.dumps(document).encode(), "a.gltf")


def test_gltf_buffers_that_no_digest_of_the_source_covers(tmp_path: Path) -> None:
    document, binary = samples.gltf_document(embed=False)
    for number in range(64):
        (tmp_path / f"{number}.bin").write_bytes(binary)
    (tmp_path / "last.bin").write_bytes(binary)
    many = [{"uri": f"{number}.bin", "byteLength": len(binary)} for number in range(64)]
    document["buffers"] = [{"uri": "last.bin", "byteLength": len(binary)}, *many]
    (tmp_path / "first.gltf").write_text(json.dumps(document))
    read_shape(tmp_path / "first.gltf")
    document["extras"] = {}
    named_first = {"extensions": {"names": many}, **document}
    assert "too many files" in refusal(tmp_path, json.dumps(named_first).encode(), "a.gltf")


def test_gltf_nodes_in_a_circle_and_repeated_meshes(tmp_path: Path) -> None:
    document, _ = samples.gltf_document(embed=True)
    document["nodes"] = [{"children": [1]}, {"children": [0], "mesh": 0}]
    assert "no tree" in refusal(tmp_path, json.dumps(document).encode(), "a.gltf")


@pytest.mark.parametrize("suffix", [".dae", ".3mf"])
def test_xml_entities_are_not_expanded(tmp_path: Path, suffix: str) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>'
    data = bomb if suffix == ".dae" else samples.zipped({"3D/a.model": bomb})
    assert "document type" in refusal(tmp_path, data, f"a{suffix}")


@pytest.mark.parametrize(("name", "member"), [("a.zip", "a.obj"), ("a.3mf", "3D/a.model"), ("a.npz", "points.npy")])
def test_archives_that_unpack_without_end(tmp_path: Path, name: str, member: str) -> None:
    head = npy_header("(10000000, 3)") if name == "a.npz" else b""
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(member, head + b"\x00" * (120 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableShape, match="unpacks"):
            read_shape(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_archive_members_cannot_escape(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = folder / "a.zip"
    path.write_bytes(samples.zipped({"../../escaped.obj": samples.obj()}))
    read_shape(path)
    assert [item.name for item in sorted(tmp_path.rglob("*"))] == ["inner", "a.zip"]


def test_h5_data_in_other_files_is_refused(tmp_path: Path) -> None:
    import h5py

    (tmp_path / "secret.raw").write_bytes(np.zeros((4, 3), dtype="<f4").tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (4, 3), "<f4", external=[(str(tmp_path / "secret.raw"), 0, 48)])
    with pytest.raises(UnreadableShape, match="other files"):
        read_shape(tmp_path / "a.h5")


def test_h5_declaring_a_billion_points(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (BILLION, 3), "<f4", chunks=(1024, 3), compression="gzip")
    with pytest.raises(UnreadableShape, match="declares"):
        read_shape(tmp_path / "a.h5")


def test_3mf_components_that_contain_themselves(tmp_path: Path) -> None:
    model = b"""<model><resources><object id="1"><components><component objectid="1"/><component objectid="1"/>
    </components></object></resources><build><item objectid="1"/></build></model>"""
    assert "without end" in refusal(tmp_path, samples.zipped({"3D/a.model": model}), "a.3mf")


def test_reasons_do_not_tell_where_files_lie(tmp_path: Path) -> None:
    with pytest.raises(UnreadableShape, match=r"picture file 'a\.png'") as told, parsing("PNG"):
        raise ValueError(f"cannot identify picture file '{tmp_path}/a.png'")
    assert str(tmp_path) not in str(told.value)
    with pytest.raises(UnreadableShape, match="Is a directory") as told, parsing("NumPy array"):
        tmp_path.read_bytes()
    assert str(tmp_path) not in str(told.value)


def test_memory_errors_of_the_caller_are_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(path: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr("opendlign_core.ingestion.readers.from_path", exhausted)
    assert "more memory" in refusal(tmp_path, samples.obj(), "a.obj")
