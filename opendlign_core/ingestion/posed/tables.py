"""Poses in tables of PASCAL3D+: a row is a photo, a box, a class and three angles in whole degrees."""

import csv
import math
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from opendlign_core.camera import Pose
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.posed.annotations import Annotation, LeftOut, box_of
from opendlign_core.ingestion.safety import parsing, require

COLUMNS = ("imgPath", "bboxTLX", "bboxTLY", "bboxBRX", "bboxBRY", "objClass", "azimuthClass", "elevationClass",
           "rotationClass")  # fmt: skip
"""What a row holds; headers name three columns of key points before the class that most rows lack."""
VIEWPORT = 2000.0


def table_rows(text: str) -> list[list[str]]:
    r"""The rows below the header, each with the nine values of `COLUMNS` (fewer where it is broken).

    >>> table_rows("imgPath,bboxTLX\na.JPEG,1,2,3,4,7,8,9,0,30,10,350\n")
    [['a.JPEG', '1', '2', '3', '4', '0', '30', '10', '350']]
    """
    rows = [[value.strip() for value in row] for row in csv.reader(text.splitlines()) if row]
    return [[*row[:5], *row[-4:]] if len(row) in (9, 12) else row for row in rows[1:]]


@lru_cache(maxsize=4)
def _table(path: Path) -> list[list[str]]:
    with parsing("table of poses"):
        return table_rows(path.read_text(encoding="utf-8-sig"))


def read_row(path: Path, number: int) -> Annotation | LeftOut:
    """The object of a row, counted from 0 below the header.

    Nobody says how far it is: it is taken to be a CAD of unit diagonal that fills its box, and to stand in its middle.
    """
    rows = _table(path)
    try:
        require(number < len(rows), f"has no row {number}")
        return _annotation(rows[number])
    except UnreadableShape as error:
        return LeftOut(0, str(error), broken=True)


def _annotation(row: list[str]) -> Annotation:
    require(len(row) == len(COLUMNS), f"has {len(row)} values in its row instead of 9 or 12")
    given = dict(zip(COLUMNS, row, strict=True))
    left, top, right, bottom = box_of({"bbox": row[1:5]})
    try:
        azimuth, elevation, theta = (math.radians(float(degrees)) for degrees in row[6:])
        pose = Pose(
            azimuth=azimuth,
            elevation=elevation,
            theta=theta,
            distance=VIEWPORT / math.hypot(right - left, bottom - top),
            px=(left + right) / 2,
            py=(top + bottom) / 2,
            viewport=VIEWPORT,
        )
    except (ValueError, ValidationError):
        raise UnreadableShape(f"has angles that are no numbers: {', '.join(row[6:])}") from None
    return Annotation(0, pose, (left, top, right, bottom), 0, row[5], "", None, None, given, angles_only=True)
