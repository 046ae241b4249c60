"""A store in a local folder. Objects appear whole by rename or hard link from a scratch folder on the same disk."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from storage.stores import ObjectInfo

SCRATCH = ".scratch"


class LocalStore:
    """Keys are paths below `root`; `.scratch` holds files in the making and is never listed."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    @property
    def url(self) -> str:
        return str(self.root)

    def path(self, key: str) -> Path:
        """The file behind a key; refuses keys that point outside the root."""
        parts = Path(key).parts
        if not parts or key.startswith("/") or ".." in parts:
            raise ValueError(f"key {key!r} must be relative and stay inside the store")
        return self.root / key

    def list(self, folder: str = "") -> Iterator[ObjectInfo]:
        start = self.path(folder) if folder else self.root
        found = []
        for directory, names, files in os.walk(start):
            if SCRATCH in names:
                names.remove(SCRATCH)
            for name in files:
                path = Path(directory) / name
                found.append(ObjectInfo(path.relative_to(self.root).as_posix(), path.stat().st_size))
        yield from sorted(found, key=lambda info: info.key)

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def read(self, key: str) -> bytes:
        return self.path(key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        return self.path(key).open("rb")

    def put_file(self, path: Path, key: str) -> None:
        scratch = self._scratch()
        try:
            shutil.copyfile(path, scratch)
            _sync(scratch)
            target = self._target(key)
            scratch.replace(target)
            _sync(target.parent)
        finally:
            scratch.unlink(missing_ok=True)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        scratch = self._scratch()
        try:
            scratch.write_bytes(data)
            _sync(scratch)
            target = self._target(key)
            try:
                target.hardlink_to(scratch)
            except FileExistsError:
                return False
            _sync(target.parent)
            return True
        finally:
            scratch.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    def _scratch(self) -> Path:
        folder = self.root / SCRATCH
        folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex

    def _target(self, key: str) -> Path:
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _sync(path: Path) -> None:
    """Flush a file or a folder entry, so that a record never outlives a power cut that its shard did not."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
