from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from opendlign_core.ingestion import Mesh, PointCloud, UnreadableShape, read_shape
from opendlign_core.ingestion.readers import SUFFIXES
from tests.ingestion import samples
from tests.ingestion.samples import AREA, COLORS, FAN, SAMPLES, VERTICES

CASES = [
    pytest.param(suffix, make, id=f"{suffix}-{number}")
    for suffix, makers in SAMPLES.items()
    for number, make in enumerate(makers)
]
CLOUDS = {".pcd", ".xyz", ".txt", ".pts", ".csv", ".json", ".npy", ".npz", ".h5", ".las", ".laz"}


def read(tmp_path: Path, data: bytes, name: str) -> PointCloud | Mesh:
    path = tmp_path / name
    path.write_bytes(data)
    return read_shape(path)


def area(mesh: Mesh) -> float:
    first, second, third = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    return float(np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2)


@pytest.mark.parametrize(("suffix", "make"), CASES)
def test_every_format_gives_the_wedge_back(tmp_path: Path, suffix: str, make: Callable[[], bytes]) -> None:
    shape = read(tmp_path, make(), f"wedge{suffix}")
    if suffix in CLOUDS:
        assert isinstance(shape, PointCloud)
        np.testing.assert_allclose(shape.points, VERTICES, atol=1e-6)
    else:
        assert isinstance(shape, Mesh)
        expected = {".dae": VERTICES + np.array([0, 0, 5]), ".3mf": VERTICES * 2 + np.array([10, 0, 0])}.get(
            suffix, VERTICES
        )
        np.testing.assert_allclose(shape.vertices.min(0), expected.min(0), atol=1e-6)
        np.testing.assert_allclose(shape.vertices.max(0), expected.max(0), atol=1e-6)
        assert area(shape) == pytest.approx(AREA * (4 if suffix == ".3mf" else 1), rel=1e-6)
        assert len(shape.faces) == len(FAN)


def test_the_registry_has_a_sample_for_every_suffix_or_its_twin() -> None:
    twins = {".hdf5": ".h5", ".asc": ".xyz", ".zae": ".zip"}
    packed = {".gz", ".bz2"}  # tests/ingestion/test_packed_files.py
    assert {twins.get(suffix, suffix) for suffix in SUFFIXES - packed} == set(SAMPLES)


@pytest.mark.parametrize(
    ("suffix", "make"),
    [case for case in CASES if case.values[0] in (".ply", ".pcd", ".las", ".laz", ".npz")],
)
def test_colours_survive(tmp_path: Path, suffix: str, make: Callable[[], bytes]) -> None:
    colors = read(tmp_path, make(), f"wedge{suffix}").colors
    assert colors is not None
    np.testing.assert_array_equal(colors, COLORS)


def test_dictionary_colours_are_scaled_from_fractions(tmp_path: Path) -> None:
    shape = read(tmp_path, samples.npy_dictionary(), "wedge.npy")
    assert shape.colors is not None
    np.testing.assert_array_equal(shape.colors, COLORS)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("suffix", [".off", ".obj", ".stl", ".ply", ".glb", ".gltf", ".dae", ".3mf"])
def test_meshes_agree_with_trimesh(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"wedge{suffix}"
    path.write_bytes(SAMPLES[suffix][-1]() if suffix != ".ply" else samples.ply())
    ours = read_shape(path)
    theirs = trimesh.load_mesh(path, process=False)
    assert isinstance(ours, Mesh)
    assert area(ours) == pytest.approx(theirs.area, rel=1e-6)
    np.testing.assert_allclose([ours.vertices.min(0), ours.vertices.max(0)], theirs.bounds, atol=1e-6)


def test_suffixes_are_case_blind(tmp_path: Path) -> None:
    assert isinstance(read(tmp_path, samples.obj(), "WEDGE.OBJ"), Mesh)


@pytest.mark.parametrize("make", [lambda: samples.gltf, lambda: samples.glb], ids=["gltf", "glb"])
def test_gltf_applies_node_transforms(tmp_path: Path, make: Callable[[], Callable[..., bytes]]) -> None:
    # A quarter turn about x takes z to -y; then everything doubles and moves.
    half = float(np.sqrt(0.5))
    transform = {"rotation": [half, 0.0, 0.0, half], "scale": [2.0, 2.0, 2.0], "translation": [1.0, 0.0, 0.0]}
    shape = read(tmp_path, make()(transform), "wedge.gltf" if make() is samples.gltf else "wedge.glb")
    assert isinstance(shape, Mesh)
    turned = np.stack([VERTICES[:, 0], -VERTICES[:, 2], VERTICES[:, 1]], axis=1) * 2 + (1, 0, 0)
    np.testing.assert_allclose(shape.vertices, turned, atol=1e-6)
    assert (shape.up_axis, shape.unit) == ("y", "m")


def test_gltf_reads_buffers_beside_it(tmp_path: Path) -> None:
    document, binary = samples.gltf_document(embed=False)
    document["buffers"] = [{"uri": "data/wedge%20one.bin", "byteLength": len(binary)}]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "wedge one.bin").write_bytes(binary)
    import json

    assert isinstance(read(tmp_path, json.dumps(document).encode(), "wedge.gltf"), Mesh)


def test_declared_axes_and_units(tmp_path: Path) -> None:
    collada, packed = read(tmp_path, samples.dae(), "a.dae"), read(tmp_path, samples.threemf(), "a.3mf")
    assert (collada.up_axis, collada.unit) == ("z", "cm")
    assert (packed.up_axis, packed.unit) == ("z", "in")
    assert read(tmp_path, samples.las(), "a.las").up_axis == "z"
    assert read(tmp_path, samples.off(), "a.off").up_axis is None


def test_files_of_vertices_alone_are_clouds(tmp_path: Path) -> None:
    assert isinstance(read(tmp_path, b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "a.obj"), PointCloud)
    assert isinstance(read(tmp_path, b"OFF\n2 0 0\n0 0 0\n1 1 1\n", "a.off"), PointCloud)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_obj_counts_back_and_continues_lines(tmp_path: Path, end: bytes) -> None:
    text = b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf -4 -3 \\\n-2 -1\n"
    shape = read(tmp_path, text.replace(b"\n", end), "a.obj")
    assert isinstance(shape, Mesh)
    assert area(shape) == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["OFF8 6 12\n", "\t  OFF 8 6 12\n", "OFF\n# a comment\n\n8 6 12 # or nah\n"])
def test_off_headers_that_occur_in_the_wild(tmp_path: Path, text: str) -> None:
    corners = "".join(f"{x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, 1))
    faces = "4 0 1 3 2 0.5 0.5 0.5\n4 4 5 7 6\n4 0 1 5 4\n4 2 3 7 6\n4 0 2 6 4\n4 1 3 7 5\n"
    shape = read(tmp_path, (text + corners + faces).encode(), "cube.off")
    assert isinstance(shape, Mesh)
    assert area(shape) == pytest.approx(6.0)


def test_text_columns_are_told_apart(tmp_path: Path) -> None:
    normals = b"0 0 0 0 0 1\n1 0 0 0 -1 0\n0 1 0 1 0 0\n"
    colours = b"0 0 0 255 0 1\n1 0 0 0 17 0\n0 1 0 1 0 200\n"
    assert isinstance(cloud := read(tmp_path, normals, "n.xyz"), PointCloud)
    assert cloud.normals is not None
    assert cloud.colors is None
    painted = read(tmp_path, colours, "c.xyz")
    assert painted.colors is not None
    assert painted.colors[2].tolist() == [1, 0, 200]


def test_decimal_commas_between_semicolons(tmp_path: Path) -> None:
    shape = read(tmp_path, b"0,5;0;0\n1,5;1;0\n", "a.csv")
    assert isinstance(shape, PointCloud)
    assert shape.points[:, 0].tolist() == [0.5, 1.5]


def test_missing_depth_readings_of_a_scan_are_dropped(tmp_path: Path) -> None:
    data = samples.pcd().replace(b"3.0 2.0 0.0", b"nan nan nan")
    shape = read(tmp_path, data, "scan.pcd")
    assert isinstance(shape, PointCloud)
    assert len(shape.points) == len(shape.colors if shape.colors is not None else []) == 5


def test_far_off_scans_keep_their_shape(tmp_path: Path) -> None:
    rows = "".join(f"{665_187 + x / 100} {5_648_349 + y / 100} 241.7\n" for x in range(4) for y in range(4))
    shape = read(tmp_path, rows.encode(), "scan.xyz")
    assert isinstance(shape, PointCloud)
    np.testing.assert_allclose(np.ptp(shape.points, axis=0), [0.03, 0.03, 0], atol=1e-6)


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableShape, match=r"wedge\.off does not start with OFF"):
        read(tmp_path, b"nothing", "wedge.off")
    with pytest.raises(UnreadableShape, match="no reader takes"):
        read(tmp_path, b"nothing", "wedge.fbx")
    with pytest.raises(UnreadableShape, match="does not exist"):
        read_shape(tmp_path / "absent.off")
