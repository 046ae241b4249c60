"""Packed files, read in memory: nothing is unpacked to disk, so no member can escape."""

import bz2
import gzip
import io
import posixpath
import zipfile
from pathlib import PurePosixPath

from opendlign_core.ingestion.readers.shape_file import ShapeFile, checked_name, from_bytes
from opendlign_core.ingestion.safety import MAX_EXPANSION, MAX_FILE_BYTES, read_zip_member, require

_NOTES = (".txt", ".json", ".csv")
_NAMED = 4


def unpacked(file: ShapeFile, suffix: str) -> ShapeFile:
    """The one file that is packed as `.gz` or `.bz2`, of bounded size."""
    data = file.data
    allowed = min(MAX_FILE_BYTES, MAX_EXPANSION * len(data) + (1 << 20))
    packed = io.BytesIO(data)
    with gzip.GzipFile(fileobj=packed) if suffix == ".gz" else bz2.BZ2File(packed) as stream:
        content = stream.read(allowed + 1)
    require(len(content) <= allowed, f"unpacks to more than {allowed} bytes")
    return from_bytes(content, file.companion)


def member_of(file: ShapeFile, member: str | None, suffixes: frozenset[str]) -> tuple[ShapeFile, str]:
    """The shape of a zip archive and its suffix: the named member, or else the only one of these suffixes."""
    archive = zipfile.ZipFile(io.BytesIO(file.data))
    real = _real_names(archive)
    chosen = _only(shapes_inside(archive, suffixes)) if member is None else member
    require(chosen in real, f"holds no {chosen!r}")

    def companion(name: str) -> bytes:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(chosen), checked_name(name)))
        require(beside in real, f"refers to {name!r}, which does not exist beside it")
        return read_zip_member(archive, beside)

    return from_bytes(read_zip_member(archive, chosen), companion), PurePosixPath(chosen).suffix.lower()


def shapes_inside(archive: zipfile.ZipFile, suffixes: frozenset[str]) -> list[str]:
    """The members of these suffixes; notes only where there is nothing else."""
    names = [name for name in _real_names(archive) if PurePosixPath(name).suffix.lower() in suffixes]
    return [name for name in names if PurePosixPath(name).suffix.lower() not in _NOTES] or names


def _real_names(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if not name.startswith("__MACOSX/")]


def _only(found: list[str]) -> str:
    listed = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
    require(bool(found), "holds 0 shapes")
    remedy = f"unpack it, or name each in a list as uri#{found[0]}"
    require(len(found) == 1, f"holds {len(found)} shapes ({listed}): {remedy}")
    return found[0]
