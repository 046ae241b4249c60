import hashlib
from pathlib import Path

import numpy as np
import pytest

from opendlign_core.ingestion import Mesh, PointCloud, UnreadableShape, read_shape
from opendlign_core.ingestion.packs import Pack
from tests.ingestion import samples
from tests.ingestion.samples import COLORS, FAN, VERTICES


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "pack.h5"
    path.write_bytes(samples.h5(3))
    return path


@pytest.mark.parametrize("member", [1, "data:1"])
def test_a_row_of_a_pack(pack: Path, member: str | int) -> None:
    shape = read_shape(pack, member)
    assert isinstance(shape, PointCloud)
    np.testing.assert_array_equal(shape.points, (VERTICES * 2).astype(np.float32))


def test_rows_have_digests_of_their_own(pack: Path) -> None:
    opened = Pack(pack)
    digests = {opened.shape(row)[1] for row in range(3)}
    assert opened.rows == len(digests) == 3
    array = (VERTICES * 2).astype("<f4")
    expected = hashlib.sha256(b"data <f4 (6, 3)\n" + array.tobytes()).hexdigest()
    assert opened.shape(1)[1] == expected


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (None, "pack of 3 clouds"),
        (3, "no row 3"),
        (-1, "no row -1"),
        ("points", "no array 'points'"),
        ("data:x", "not a valid HDF5"),
    ],
)
def test_members_that_do_not_exist(pack: Path, member: str | int | None, reason: str) -> None:
    with pytest.raises(UnreadableShape, match=reason):
        read_shape(pack, member)


def test_rows_of_npz_and_npy_packs(tmp_path: Path) -> None:
    clouds = np.stack([VERTICES, VERTICES + 1]).astype(np.float16)
    np.savez(tmp_path / "a.npz", points=clouds, labels=np.array(["a", "b"]), scale=np.ones(2))
    np.save(tmp_path / "a.npy", clouds)
    for name in ("a.npz", "a.npy"):
        shape = read_shape(tmp_path / name, 1)
        assert isinstance(shape, PointCloud)
        np.testing.assert_array_equal(shape.points, VERTICES + 1)


def test_colours_beside_the_points_follow_their_row(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=np.stack([VERTICES] * 2), colors=np.stack([COLORS, 255 - COLORS]))
    shape = read_shape(tmp_path / "a.npz", 1)
    assert shape.colors is not None
    np.testing.assert_array_equal(shape.colors, 255 - COLORS)


def test_faces_beside_the_vertices_make_a_mesh(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", vertices=VERTICES, faces=FAN)
    assert isinstance(read_shape(tmp_path / "a.npz"), Mesh)


def test_separate_colour_channels(tmp_path: Path) -> None:
    red, green, blue = COLORS.T / 255.0
    np.savez(tmp_path / "a.npz", coords=VERTICES, R=red, G=green, B=blue)
    shape = read_shape(tmp_path / "a.npz")
    assert shape.colors is not None
    np.testing.assert_array_equal(shape.colors, COLORS)


def test_named_arrays_of_a_dictionary(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(samples.npy_dictionary())
    shape = read_shape(tmp_path / "a.npy", "xyz")
    assert isinstance(shape, PointCloud)
    assert shape.colors is not None


def test_files_without_points_say_what_they_have(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=np.arange(3))
    with pytest.raises(UnreadableShape, match=r"no array of points \(it has: labels \(3,\)\)"):
        read_shape(tmp_path / "a.npz")


def test_members_of_files_that_are_no_packs(tmp_path: Path) -> None:
    (tmp_path / "a.off").write_bytes(samples.off())
    with pytest.raises(UnreadableShape, match="no array file"):
        read_shape(tmp_path / "a.off", 1)
