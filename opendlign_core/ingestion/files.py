"""Access to the files of a source, wherever they lie."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.safety import MAX_FILE_BYTES

_log = logging.getLogger(__name__)


class Files(Protocol):
    """The files below a source's url; keys are relative, with forward slashes. Safe to call from threads."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield every key that starts with `prefix`, in sorted order."""
        ...

    def read(self, key: str) -> bytes:
        """Return a whole file of bounded size; FileNotFoundError when there is none."""
        ...

    def local(self, key: str) -> Path:
        """Return a local path of the file, with its companions (glTF buffers) beside it where they exist.

        Raises FileNotFoundError where the source holds no such file, and for no other reason. Its text ends up in
        outputs, so it is the same wherever the source lies.
        """
        ...


@dataclass(frozen=True)
class FileInfo:
    """What a listing tells of a file without reading it."""

    size: int
    version: str
    """Another text whenever the bytes may be others."""
    changed: float = 0.0
    """When they last were, in seconds since 1970; 0 where the version follows from the bytes themselves."""


def check_list_size(key: str, size: int) -> None:
    """Refuse to read a list into memory that no data set has."""
    if size > MAX_FILE_BYTES:
        raise BadInput(f"{key} is {size} bytes long; at most {MAX_FILE_BYTES} are accepted")


class DirectoryFiles:
    """The files of a local folder. Links are followed as long as they stay inside.

    A name that is no text is listed with its odd bytes spelled out, and a link that leads out of the folder or nowhere
    by its own name; `local` then says what is wrong with it, or with a file that may not be read. A folder that may
    not be looked into is left out, and named in the log.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        if not self.root.is_dir():
            raise FileNotFoundError(_no_folder(self.root))
        self._inside = os.path.realpath(self.root)
        self._odd: dict[str, str] = {}

    @property
    def url(self) -> str:
        return str(self.root)

    @cached_property
    def infos(self) -> dict[str, FileInfo]:
        """Every file below the folder by its key, from one walk."""
        found = dict(self._walk(self.root, "", frozenset((self._inside,))))
        return dict(sorted(found.items()))

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of all files below the folder whose key starts with `prefix`, sorted."""
        yield from (key for key in self.infos if key.startswith(prefix))

    def read(self, key: str) -> bytes:
        """Return the whole file of that key."""
        path = self.local(key)
        check_list_size(key, path.stat().st_size)
        return path.read_bytes()

    def local(self, key: str) -> Path:
        """Return the path of that key, which must lie inside the folder."""
        relative = PurePosixPath(key)
        if not key or relative.is_absolute() or ".." in relative.parts or str(relative) != key:
            raise FileNotFoundError(f"{key!r} does not name a file inside the source")
        path = self.root / relative
        if reason := self._trouble(path):
            known = self._odd.get(key, reason) if key in self.infos else reason
            raise FileNotFoundError(f"{key!r} {known}")
        return path

    def info(self, key: str) -> FileInfo | None:
        """What is there to tell of a file now; None where there is none any more."""
        try:
            return _info(self.local(key).stat())
        except FileNotFoundError:
            return None

    def _walk(self, folder: Path, prefix: str, above: frozenset[str]) -> Iterator[tuple[str, FileInfo]]:
        """Files below a folder; `above` holds the real paths of the folders on the way, so that no circle is run."""
        try:
            yield from self._entries(folder, prefix, above)
        except PermissionError:
            if not prefix:
                raise
            _log.warning("%s may not be looked into (permission denied): what it holds is left out", prefix)

    def _entries(self, folder: Path, prefix: str, above: frozenset[str]) -> Iterator[tuple[str, FileInfo]]:
        for entry in os.scandir(folder):
            key = prefix + os.fsencode(entry.name).decode(errors="backslashreplace")
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(path, f"{key}/", above | {os.path.realpath(path)})
            elif entry.is_symlink() and path.is_dir():
                yield from self._follow(path, key, above)
            elif trouble := self._trouble_of(entry):
                self._odd[key] = trouble
                yield key, FileInfo(0, "")
            elif entry.is_file():
                yield key, _info(entry.stat())

    def _follow(self, path: Path, key: str, above: frozenset[str]) -> Iterator[tuple[str, FileInfo]]:
        target = os.path.realpath(path)
        if trouble := self._trouble(path) or ("is a link to a folder above it" if target in above else ""):
            _log.warning("%s %s: it is not followed", key, trouble)
        else:
            yield from self._walk(path, f"{key}/", above | {target})

    def _trouble_of(self, entry: os.DirEntry[str]) -> str:
        """Why an entry of a folder that is no folder itself cannot be an object; empty where nothing is wrong."""
        if not _is_text(entry.path.removeprefix(self.url)):
            return "has a name that is not UTF-8: rename it"
        return self._trouble(Path(entry.path)) if entry.is_symlink() else ""

    def _trouble(self, path: Path) -> str:
        """Why a path is not looked at; empty where nothing is wrong."""
        target = os.path.realpath(path)
        if not Path(target).is_relative_to(self._inside):
            return "is a link that leaves the source: name the folder that it leads to, or copy it"
        if path.is_dir() or path.is_file():
            # Who may is asked of the identity that reads, which need not be the one that logged in.
            may = os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)
            return "" if may else "may not be read (permission denied)"
        return "is a link that leads nowhere" if path.is_symlink() else "does not exist in the source"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _info(stat: os.stat_result) -> FileInfo:
    version = f"{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_dev}-{stat.st_ino}"
    return FileInfo(stat.st_size, version, max(stat.st_mtime, stat.st_ctime))


def _no_folder(root: Path) -> str:
    if root.is_file():
        return f"source {root} is a file: give its folder as the url, and its name to the adapter list as option list"
    return f"source folder {root} does not exist"
