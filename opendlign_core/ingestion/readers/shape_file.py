"""A file as the byte readers see it: its content, whole or in blocks, and what it may fetch from beside it."""

import hashlib
import io
import posixpath
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from opendlign_core.ingestion.companions import MOST_GLTF_BYTES, companion_keys
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.safety import MAX_FILE_BYTES, require

Companion = Callable[[str], bytes]

_BLOCK = 4 << 20


class ShapeFile:
    """One file; a reader takes either `data` or `blocks`, once, and `digest` is the sha256 of what it was given."""

    def __init__(self, opened: Callable[[], IO[bytes]], size: int, companion: Companion) -> None:
        require(size > 0, "is empty")
        self._opened = opened
        self._size = size
        self._companion = companion
        self._hash = hashlib.sha256()

    @cached_property
    def data(self) -> bytes:
        """All bytes of a file of bounded size."""
        require(self._size <= MAX_FILE_BYTES, f"is {self._size} bytes long; at most {MAX_FILE_BYTES} are accepted")
        return b"".join(self.blocks(self._size))

    def blocks(self, size: int = _BLOCK) -> Iterator[bytes]:
        """The bytes of a file of any size, so many at a time."""
        with closing(self._opened()) as stream:
            while block := stream.read(size):
                self._hash.update(block)
                yield block

    @property
    def digest(self) -> str:
        """sha256 of what was read."""
        return self._hash.hexdigest()

    def companion(self, name: str) -> bytes:
        """The bytes of a file beside or below this one."""
        return self._companion(name)


def from_path(path: Path) -> ShapeFile:
    """A file whose companions lie in its own folder."""
    folder = path.parent.resolve()

    def companion(name: str) -> bytes:
        relative = checked_name(name)
        # A source is known by these files and no others.
        known = path.stat().st_size <= MOST_GLTF_BYTES and relative in companion_keys(path.name, file.data)
        require(known, f"refers to {name[:80]!r}, one of too many files, or no buffer by its name")
        target = (folder / relative).resolve()
        require(target.is_relative_to(folder), f"refers to {name!r}, which lies outside its folder")
        require(target.is_file(), f"refers to {name!r}, which does not exist beside it")
        return from_path(target).data

    file = ShapeFile(lambda: path.open("rb"), path.stat().st_size, companion)
    return file


def from_bytes(data: bytes, companion: Companion | None = None) -> ShapeFile:
    """Bytes of a member of an archive, alone unless there is a way to its companions."""
    return ShapeFile(lambda: io.BytesIO(data), len(data), companion or _nothing_beside)


def _nothing_beside(name: str) -> bytes:
    raise UnreadableShape(f"refers to {name!r}, which does not exist beside it")


def checked_name(name: str) -> str:
    """A reference to a companion file as a relative path that cannot leave the folder."""
    decoded = unquote(name).replace("\\", "/")
    normal = posixpath.normpath(decoded)
    inside = not (normal.startswith(("/", "../")) or normal == ".." or ":" in normal or "\x00" in normal)
    require(inside, f"refers to {name[:80]!r}, which lies outside its folder")
    return normal
