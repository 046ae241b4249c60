"""What a user's own programs keep to save time: in a folder of that user alone, written whole, trusted by digest."""

import hashlib
import os
import stat
import uuid
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path

from storage.errors import UnsafeCache
from storage.store import check_key

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class UserCache:
    """Files by name, each made when it is first asked for.

    They lie in the user's cache folder (`XDG_CACHE_HOME` moves it), which nobody else may enter. Losing them costs
    time and nothing else.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_cache_path("opendlign", appauthor=False)

    def file(self, name: str, make: Callable[[Path], object]) -> Path:
        """The file of that name; `make` writes it to the path it is given where it is absent or not what it was.

        Raises `UnsafeCache` where somebody else may have put files there.
        """
        self._prepare()
        path = self.folder / check_key(name)
        if not _is_whole(path):
            self._make(path, make)
        return path

    def read(self, name: str) -> bytes | None:
        """What was last written under that name; None where nothing was, or not whole."""
        self._prepare()
        path = self.folder / check_key(name)
        return path.read_bytes() if _is_whole(path) else None

    def write(self, name: str, content: bytes) -> None:
        """Keep `content` under that name in place of what was there."""
        self._prepare()
        self._make(self.folder / check_key(name), lambda part: part.write_bytes(content))

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & _OTHERS_MAY_WRITE:
            raise UnsafeCache(f"others may write to {self.folder}; remove it or set XDG_CACHE_HOME to another")
        self.folder.chmod(0o700)

    def _make(self, path: Path, make: Callable[[Path], object]) -> None:
        """The digest goes last: a file without its own is made again."""
        part = self.folder / f".{uuid.uuid4().hex}"
        try:
            make(part)
            digest = _sha256(part)
            part.replace(path)
            part.write_text(digest)
            part.replace(_digest_of(path))
        finally:
            part.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    try:
        return _digest_of(path).read_text() == _sha256(path)
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
