"""Committed files as local, verified files: opened in place from a folder, downloaded once from a bucket."""

import hashlib
import os
import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any, Protocol

from storage.errors import DamagedOutput
from storage.local import LocalStore
from storage.output import file_sha256
from storage.records import Manifest, StoredFile
from storage.store import Store

BLOCK = 8 << 20


class Located(Protocol):
    """Whatever knows its stage folder: an identity before the manifest exists, the manifest afterwards."""

    @property
    def stage(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def folder(self) -> str: ...


class Fetcher:
    """Local copies of a store's committed files, each hashed the first time this object hands it out.

    Use as a context manager: downloads go to a scratch folder that is removed at the end. `keep` bounds how many
    downloads stay on disk at a time; a path stays good until `keep` other files were asked for. Threads may share
    a fetcher; a process that inherits or unpickles one downloads for itself.
    """

    def __init__(self, store: Store, *, verify: bool = True, keep: int = 4) -> None:
        self.store = store
        self.verify = verify
        self._keep = max(1, keep)
        self._lock = threading.RLock()
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._scratch: Path | None = None
        self._downloads: dict[str, Path] = {}
        self._verified: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_fetcher, (self.store, self.verify, self._keep)

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            if self._scratch is not None and self._process == os.getpid():
                shutil.rmtree(self._scratch, ignore_errors=True)
            self._begin()

    def path(self, place: Located, stored: StoredFile) -> Path:
        """A local path to the file; raises `DamagedOutput` when it is absent or not what its record says."""
        with self._lock:
            if self._process != os.getpid():
                self._begin()
            try:
                if isinstance(self.store, LocalStore):
                    return self._in_place(self.store, place, stored)
                return self._downloaded(place, stored)
            except FileNotFoundError as error:
                raise _damage(place, stored, "no object") from error

    def _in_place(self, store: LocalStore, place: Located, stored: StoredFile) -> Path:
        key = f"{place.folder}/{stored.file}"
        path = store.path(key)
        if self.verify and key not in self._verified:
            self._check(place, stored, file_sha256(path))
            self._verified.add(key)
        elif not path.is_file():
            raise FileNotFoundError(key)
        return path

    def _downloaded(self, place: Located, stored: StoredFile) -> Path:
        key = f"{place.folder}/{stored.file}"
        if key in self._downloads:
            self._downloads[key] = self._downloads.pop(key)  # the most recently used goes last
            return self._downloads[key]
        target = self._folder() / key.replace("/", "__")
        found = self._download(key, target)
        if self.verify:
            self._check(place, stored, found)
        self._downloads[key] = target
        while len(self._downloads) > self._keep:
            self._downloads.pop(next(iter(self._downloads))).unlink(missing_ok=True)
        return target

    def _download(self, key: str, target: Path) -> str:
        digest = hashlib.sha256()
        with self.store.open(key) as source, target.open("wb") as sink:
            while block := source.read(BLOCK):
                digest.update(block)
                sink.write(block)
        return digest.hexdigest()

    def _check(self, place: Located, stored: StoredFile, found: str) -> None:
        if found != stored.sha256:
            raise _damage(place, stored, found)

    def _folder(self) -> Path:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="opendlign-"))
            weakref.finalize(self, _remove_own, self._scratch, os.getpid())
        return self._scratch

    def copy(self, manifest: Manifest, name: str, target: Path) -> Path:
        """Copy the committed file of that name (see `Manifest.file`) to `target`, whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            shutil.copyfile(self.path(manifest, manifest.file(name)), partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target


def _open_fetcher(store: Store, verify: bool, keep: int) -> Fetcher:
    return Fetcher(store, verify=verify, keep=keep)


def _remove_own(folder: Path, process: int) -> None:
    """A forked child also runs the parent's finalizers, but the folder is the parent's."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _damage(place: Located, stored: StoredFile, found: str) -> DamagedOutput:
    return DamagedOutput(place.stage, place.fingerprint, stored.file, f"sha256 {stored.sha256}", found)
