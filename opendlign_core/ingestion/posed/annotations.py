"""What an ImageNet3D annotation says of the objects in a photo, read without executing its pickle."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from opendlign_core.camera import Pose
from opendlign_core.ingestion.dictionaries import load_dictionary_rows
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.npy import parse_npy
from opendlign_core.ingestion.safety import parsing, read_zip_member, require

Box = tuple[float, float, float, float]

KEY = "annotations"
GOOD, BAD = "status_good", "status_bad"
STATUSES = (GOOD, "status_partially", "status_barely", BAD)
DENSE = {"dense_yes": True, "dense_no": False}


def crop_name(sample: str, number: int) -> str:
    """What the crop of an object of a photo is called.

    >>> crop_name("n02818832_13", 0)
    'n02818832_13_00'
    """
    return f"{sample}_{number:02d}"


@dataclass(frozen=True, eq=False)
class Annotation:
    """One object of a photo, in pixels of the whole photo."""

    number: int
    """Its place among the photo's objects, those that are left out counted too."""
    pose: Pose
    box: Box
    """Left, top, right, bottom."""
    cad: int
    """Number of its CAD, as in the CAD's file name."""
    category: str
    """As the annotation says, which may be another than the folder's."""
    status: str
    """How well it is seen, of `STATUSES`; empty where nobody says."""
    dense: bool | None
    """Whether another object of its category is very near."""
    size: tuple[int, int] | None
    """Height and width that the photo should have."""
    given: Mapping[str, Any]
    """Every value as it stands in the file, for those who write it again."""
    angles_only: bool = False
    """Whether nobody annotated more than the angles; distance and origin are guesses then."""


@dataclass(frozen=True)
class LeftOut:
    """An object that goes no further: by what its annotator decided, or because its annotation is broken."""

    number: int
    reason: str
    broken: bool

    def object_id(self, photo: str) -> str:
        """What it would be called in a photo of that name."""
        return crop_name(photo, self.number)


def read_annotations(data: bytes) -> list[Annotation | LeftOut]:
    """The objects of an annotation file, in its order; a broken one costs itself alone.

    Raises:
        UnreadableShape: the file is no annotation, names something foreign, or holds no object.
    """
    with _opened(data) as archive:
        names = archive.namelist()
        require(f"{KEY}.npy" in names, f"has no {KEY!r} (it has: {', '.join(names[:12]) or 'nothing'})")
        rows = load_dictionary_rows(read_zip_member(archive, f"{KEY}.npy"))
    require(bool(rows), "holds no object")
    return [annotation_of(row, number) for number, row in enumerate(rows)]


def encode_annotations(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Objects as ImageNet3D publishes them: an `.npz` with a pickle."""
    objects = np.empty(len(rows), object)
    objects[:] = rows
    buffer = io.BytesIO()
    np.savez(buffer, annotations=objects)
    return buffer.getvalue()


def read_plain(data: bytes) -> dict[str, Any]:
    """The arrays of a preprocessed annotation, which holds no objects; single values come as numbers and text.

    Raises:
        UnreadableShape: the file is no such archive.
    """
    with _opened(data) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        arrays = {name.removesuffix(".npy"): parse_npy(read_zip_member(archive, name)) for name in names}
    return {name: array if array.ndim else array.item() for name, array in arrays.items()}


@contextmanager
def _opened(data: bytes) -> Iterator[zipfile.ZipFile]:
    with parsing("annotation"):
        require(data[:4] == b"PK\x03\x04", "is no .npz archive")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield archive


def read_any(data: bytes) -> list[Annotation | LeftOut]:
    """The objects of an annotation file as it was published raw, or the one of a preprocessed file.

    Raises:
        UnreadableShape: the file is neither.
    """
    with _opened(data) as archive:
        raw = f"{KEY}.npy" in archive.namelist()
    return read_annotations(data) if raw else [annotation_of({"ignore": 0, **read_plain(data)}, 0)]


def annotation_of(row: Mapping[str, Any], number: int) -> Annotation | LeftOut:
    """One object of its dictionary, in the order in which the reference decides what goes no further."""
    try:
        if reason := _unwanted(row):
            return LeftOut(number, reason, broken=False)
        return _annotation(row, number)
    except UnreadableShape as error:
        return LeftOut(number, str(error), broken=True)


def _unwanted(row: Mapping[str, Any]) -> str:
    """Why the annotators want this object left out; where none said `ignore`, its status decides."""
    if "ignore" in row:
        if _number(row, "ignore") > 0:
            return "is marked as one to ignore"
    elif row.get("object_status", BAD) == BAD:
        said = "status_bad" if "object_status" in row else "neither `ignore` nor a status"
        return f"has {said}"
    distance = _number(row, "distance")
    return f"has no valid pose (its distance is {distance:g})" if distance <= 0 else ""


def _annotation(row: Mapping[str, Any], number: int) -> Annotation:
    px, py = _principal(row)
    angles = {name: _number(row, name) for name in ("azimuth", "elevation", "theta", "distance")}
    try:
        pose = Pose(**angles, px=px, py=py, viewport=_number(row, "viewport"))
    except ValidationError as error:
        first = error.errors()[0]
        raise UnreadableShape(f"has a pose whose {first['loc'][0]} is wrong: {first['msg']}") from error
    return Annotation(
        number=number,
        pose=pose,
        box=box_of(row),
        cad=int(_number(row, "cad_index")),
        category=str(row.get("class", "")),
        status=str(row.get("object_status", "")),
        dense=DENSE.get(str(row.get("dense", ""))),
        size=(int(_number(row, "height")), int(_number(row, "width"))) if {"height", "width"} <= set(row) else None,
        given=row,
    )


def _principal(row: Mapping[str, Any]) -> tuple[float, float]:
    """Where the origin is seen; some files say it under one name alone."""
    if {"px", "py"} <= set(row):
        return _number(row, "px"), _number(row, "py")
    require("principal" in row, "says neither `px`, `py` nor `principal`")
    px, py = _numbers(row, "principal", 2)
    return px, py


def box_of(row: Mapping[str, Any]) -> Box:
    """The box of a dictionary; raises UnreadableShape for one without extent."""
    left, top, right, bottom = _numbers(row, "bbox", 4)
    require(left < right and top < bottom, f"has a box without extent: {left:g}, {top:g}, {right:g}, {bottom:g}")
    return left, top, right, bottom


def _number(row: Mapping[str, Any], name: str) -> float:
    return _numbers(row, name, 1)[0]


def _numbers(row: Mapping[str, Any], name: str, count: int) -> list[float]:
    require(name in row, f"lacks {name!r}")
    try:
        values = np.asarray(row[name], np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise UnreadableShape(f"has {name!r} that is no number: {row[name]!r:.60}") from None
    require(len(values) == count, f"has {name!r} of {len(values)} numbers instead of {count}")
    require(bool(np.isfinite(values).all()), f"has {name!r} that is not finite")
    return [float(value) for value in values]
