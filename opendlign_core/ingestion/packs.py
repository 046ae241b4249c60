"""Shapes out of array files: the one cloud or mesh of a file, or one row of a pack of clouds."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.pack_files import ONLY, ArrayFile, open_arrays
from opendlign_core.ingestion.parts import numbered
from opendlign_core.ingestion.safety import parsing, require
from opendlign_core.ingestion.shapes import Array, cloud_columns, cloud_from_table, make_cloud, make_shape, to_colors

PACK_SUFFIXES = {".npy": "NumPy array", ".npz": "NumPy archive", ".h5": "HDF5", ".hdf5": "HDF5"}

_POINTS = (ONLY, "points", "xyz", "data", "vertices", "verts", "coords", "pos", "pc", "pointcloud", "rest_vertices")
_FACES = ("faces", "triangles", "mesh")
_COLORS = ("colors", "rgb", "color")
_NORMALS = ("normals", "normal")
_PARTS = ("parts", "part_ids", "pid")
_FACE_PARTS = ("face_parts",)

Member = str | int | None


class Pack:
    """An open array file."""

    def __init__(self, path: Path) -> None:
        self._kind = PACK_SUFFIXES[path.suffix.lower()]
        with parsing(self._kind):
            require(path.stat().st_size > 0, "is empty")
            self._file: ArrayFile = open_arrays(path)
            self._shapes = self._file.shapes()

    @property
    def rows(self) -> int:
        """Number of clouds in the array that an integer member is taken from; 0 where the file is no pack."""
        with parsing(self._kind):
            shape = self._shapes[self._points_name()]
        return shape[0] if len(shape) == 3 else 0

    def shape(self, member: Member, *, parts: bool = False) -> tuple[PointCloud | Mesh, str]:
        """The shape of a member, or of the whole file, and the sha256 of the arrays that it was made of.

        Part numbers are read, and so become part of the digest, where `parts` asks for them.
        """
        with parsing(self._kind):
            name, row = self._resolve(member)
            used: dict[str, Array] = {}
            values = self._read(name, row, used)
            if values.dtype.names:
                shape = self._from_records(values, used)
            elif len(values.shape) == 2 and (found := self._companions(name, row, values.shape, used)):
                shape = _combined(values, found)
            else:
                shape = cloud_from_table(values)
            if parts:
                shape = self._with_parts(shape, name.rpartition("/")[0], row, used)
        digest = hashlib.sha256()
        for key in sorted(used):
            digest.update(f"{key} {used[key].dtype.str} {used[key].shape}\n".encode())
            values = used[key]
            digest.update(values.data if values.flags.c_contiguous else values.tobytes())
        return shape, digest.hexdigest()

    def _read(self, name: str, row: int | None, used: dict[str, Array]) -> Array:
        used[name] = self._file.read(name, row)
        return used[name]

    def _resolve(self, member: Member) -> tuple[str, int | None]:
        """The array and row that a member names."""
        if isinstance(member, str):
            name, colon, number = member.rpartition(":")
            if not colon:
                name, row = member, None
            else:
                row = int(number)
            require(name in self._shapes, f"has no array {name!r} (it has: {self._names()})")
        else:
            name, row = self._points_name(), member
        shape = self._shapes[name]
        if row is None and len(shape) == 3:
            require(shape[0] == 1, f"is a pack of {shape[0]} clouds: name one of its rows")
            row = 0
        rows = shape[0] if shape else 0
        require(row is None or (len(shape) == 3 and 0 <= row < rows), f"has no row {row} in {name!r} of shape {shape}")
        return name, row

    def _points_name(self) -> str:
        for name in _POINTS:
            if name in self._shapes:
                return name
        fitting = [name for name, shape in self._shapes.items() if len(shape) in (2, 3) and 3 <= shape[-1] <= 16]
        if len(fitting) != 1:
            raise UnreadableShape(f"has no array of points (it has: {self._names()})")
        return fitting[0]

    def _names(self) -> str:
        return ", ".join(f"{name} {shape}" for name, shape in list(self._shapes.items())[:12]) or "none"

    def _companions(
        self, name: str, row: int | None, shape: tuple[int, ...], used: dict[str, Array]
    ) -> Mapping[str, Array]:
        """Colours, normals and faces beside the points, where they match them."""
        folder = name.rpartition("/")[0]
        found: dict[str, Array] = {}
        if shape[1] != 3:
            return found
        wanted = {"colors": _COLORS, "normals": _NORMALS} | ({} if row is not None else {"faces": _FACES})
        leading = () if row is None else self._shapes[name][:1]
        for role, names in wanted.items():
            for candidate in (f"{folder}/{item}" if folder else item for item in names):
                size = self._shapes.get(candidate)
                rows_match = size is not None and (role == "faces" or size[:-1] == (*leading, shape[0]))
                if size is not None and rows_match and len(size) == 2 + len(leading) and size[-1] in (3, 4):
                    found[role] = self._read(candidate, row, used)
                    break
        channels = [channel for channel in "RGB" if self._shapes.get(channel) == (shape[0],)]
        if row is None and "colors" not in found and len(channels) == 3:
            stacked = [self._read(channel, None, used) for channel in channels]
            found["colors"] = to_colors(_columns(stacked))
        return found

    def _with_parts(
        self, shape: PointCloud | Mesh, folder: str, row: int | None, used: dict[str, Array]
    ) -> PointCloud | Mesh:
        per_point, per_face = self._beside(_PARTS, folder, row, used), self._beside(_FACE_PARTS, folder, row, used)
        names = self._beside(("part_names",), folder, None, used)
        return numbered(shape, per_point, per_face, () if names is None else tuple(map(str, names.reshape(-1))))

    def _beside(self, names: tuple[str, ...], folder: str, row: int | None, used: dict[str, Array]) -> Array | None:
        """The first of several arrays that is in the folder of the points, or its row."""
        for name in (f"{folder}/{item}" if folder else item for item in names):
            if size := self._shapes.get(name):
                rows = row is None or row < size[0]
                require(rows, f"has {name!r} of shape {size}, without a row {row}")
                return self._read(name, row, used)
        return None

    def _from_records(self, values: Array, used: dict[str, Array]) -> PointCloud | Mesh:
        """Rows with named fields, and triangles with the fields v1, v2, v3 beside them."""
        require(values.ndim == 1, "has records that are not in rows")
        points, colors, normals = cloud_columns({name.lower(): values[name] for name in values.dtype.names or ()})
        if "mesh" in self._shapes:
            faces = self._read("mesh", None, used)
            if faces.dtype.names and {"v1", "v2", "v3"} <= set(faces.dtype.names):
                return make_shape(points, _columns([faces[name] for name in ("v1", "v2", "v3")]), colors)
        return make_cloud(points, colors, normals)


def _columns(columns: list[Array]) -> Array:
    import numpy as np

    return np.stack(columns, axis=1)


def _combined(points: Array, beside: Mapping[str, Array]) -> PointCloud | Mesh:
    faces = beside.get("faces")
    if faces is not None and faces.shape[1] == 3 and faces.dtype.kind in "iu":
        return make_shape(points, faces, beside.get("colors"))
    return make_cloud(points, beside.get("colors"), beside.get("normals"))
