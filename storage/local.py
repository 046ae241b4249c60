"""A store in a local folder. Objects appear whole by rename or hard link from a scratch folder on the same disk."""

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from storage.errors import StoreFull, StoreUnavailable
from storage.store import SHARED_FOR, ObjectInfo, check_key

SCRATCH = ".scratch"

_FULL = {
    errno.ENOSPC: "the disk is full; free some space and run again",
    errno.EDQUOT: "the disk quota is used up; free some space and run again",
    errno.EFBIG: "the file is larger than this disk or process may write",
}
_REMEDIES = {
    errno.EACCES: "permission denied; check who owns the folder",
    errno.EROFS: "the disk is mounted read-only",
    errno.EPERM: "the disk does not allow hard links, which publishing needs; put the store on another one",
    errno.ENOTSUP: "the disk does not know hard links, which publishing needs; put the store on another one",
    errno.EXDEV: "the folder spans several disks; a store must lie on one",
    errno.ENOTDIR: "a file stands where a folder should be",
}


class LocalStore:
    """Keys are paths below `root`; `.scratch` holds files in the making and is never listed."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    @property
    def url(self) -> str:
        return str(self.root)

    def __repr__(self) -> str:
        return f"LocalStore({self.url!r})"

    def path(self, key: str) -> Path:
        """The file behind a key; refuses keys that point outside the root."""
        return self.root / check_key(key)

    def list(self, folder: str = "", starting: str = "") -> Iterator[ObjectInfo]:
        start = self.path(folder) if folder else self.root
        with self._explained(f"listing {folder or 'the store'}"):
            found = list(_files_below(str(start), f"{folder}/" if folder else "", starting))
        yield from sorted(found, key=lambda info: info.key)

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def read(self, key: str) -> bytes:
        return self.path(key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        return self.path(key).open("rb")

    def share_url(self, key: str, lifetime: timedelta = SHARED_FOR) -> str:
        return str(self.path(key))

    def put_file(self, path: Path, key: str) -> None:
        with self._scratch(key) as scratch:
            shutil.copyfile(path, scratch)
            _sync(scratch)
            target = self._target(key)
            scratch.replace(target)
            _sync(target.parent)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with self._scratch(key) as scratch:
            scratch.write_bytes(data)
            _sync(scratch)
            target = self._target(key)
            try:
                target.hardlink_to(scratch)
            except FileExistsError:
                return False
            _sync(target.parent)
            return True

    def delete(self, key: str) -> None:
        with self._explained(f"deleting {key}"):
            self.path(key).unlink(missing_ok=True)

    def leftovers(self, older_than: timedelta) -> Sequence[ObjectInfo]:
        latest = time.time() - older_than.total_seconds()
        found = _files_below(str(self.root / SCRATCH), f"{SCRATCH}/")
        return sorted((info for info in found if info.modified < latest), key=lambda info: info.key)

    @contextmanager
    def _scratch(self, key: str) -> Iterator[Path]:
        """A name for a file in the making, removed at the end unless it was moved away."""
        folder = self.root / SCRATCH
        scratch = folder / uuid.uuid4().hex
        with self._explained(f"writing {key}"):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                yield scratch
            finally:
                scratch.unlink(missing_ok=True)

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind, remedies = (StoreFull, _FULL) if error.errno in _FULL else (StoreUnavailable, _REMEDIES)
            if remedy := remedies.get(error.errno or 0):
                raise kind(f"{self.url}: {action} failed: {remedy}") from error
            raise

    def _target(self, key: str) -> Path:
        target = self.path(key)
        lacking = [folder for folder in target.parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in lacking:
            _sync(folder.parent)
        return target


def _files_below(folder: str, prefix: str, starting: str = "") -> Iterator[ObjectInfo]:
    """Files of a folder tree whose top names start so; what vanishes meanwhile counts as absent."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        if prefix:
            return  # an object has no objects below it; but the store itself must not be a file
        raise
    for entry in entries:
        if not entry.name.startswith(starting):
            continue
        if entry.is_dir():
            if entry.name != SCRATCH:
                yield from _files_below(entry.path, f"{prefix}{entry.name}/")
            continue
        try:
            status = entry.stat()
        except FileNotFoundError:
            continue
        version = f"{status.st_mtime_ns}-{status.st_ino}"
        yield ObjectInfo(prefix + entry.name, status.st_size, status.st_mtime, version)


def _sync(path: Path) -> None:
    """Flush a file or a folder entry, so that a record never outlives a power cut that its shard did not."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network disks cannot flush folders
            raise
    finally:
        os.close(handle)
