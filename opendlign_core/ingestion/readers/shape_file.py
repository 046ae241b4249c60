"""A file as the byte readers see it: its content, and what it may fetch from beside it."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from opendlign_core.ingestion.companions import MOST_GLTF_BYTES, companion_keys
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.safety import read_bounded, require


@dataclass(frozen=True)
class ShapeFile:
    """The bytes of one file; `companion(name)` returns those of a file beside or below it."""

    data: bytes
    companion: Callable[[str], bytes]


def from_path(path: Path) -> ShapeFile:
    """Read a file whose companions lie in its own folder."""
    folder, data = path.parent.resolve(), read_bounded(path)

    def companion(name: str) -> bytes:
        relative = checked_name(name)
        # A source is known by these files and no others.
        known = len(data) <= MOST_GLTF_BYTES and relative in companion_keys(path.name, data)
        require(known, f"refers to {name[:80]!r}, one of too many files, or no buffer by its name")
        target = (folder / relative).resolve()
        require(target.is_relative_to(folder), f"refers to {name!r}, which lies outside its folder")
        require(target.is_file(), f"refers to {name!r}, which does not exist beside it")
        return read_bounded(target)

    return ShapeFile(data, companion)


def alone(data: bytes) -> ShapeFile:
    """Bytes without companions."""

    def companion(name: str) -> bytes:
        raise UnreadableShape(f"refers to {name!r}, which does not exist beside it")

    return ShapeFile(data, companion)


def checked_name(name: str) -> str:
    """A reference to a companion file as a relative path that cannot leave the folder."""
    decoded = unquote(name).replace("\\", "/")
    normal = posixpath.normpath(decoded)
    inside = not (normal.startswith(("/", "../")) or normal == ".." or ":" in normal or "\x00" in normal)
    require(inside, f"refers to {name[:80]!r}, which lies outside its folder")
    return normal
