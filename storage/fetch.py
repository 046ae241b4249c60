"""Committed files as local, verified files: opened in place from a folder, downloaded once from a bucket."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Protocol

from storage.errors import DamagedOutput
from storage.local import LocalStore
from storage.output import file_sha256
from storage.records import Manifest, StoredFile
from storage.stores import Store


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
    downloads stay on disk at a time.
    """

    def __init__(self, store: Store, *, verify: bool = True, keep: int = 4) -> None:
        self.store = store
        self.verify = verify
        self._keep = keep
        self._scratch = tempfile.TemporaryDirectory(prefix="opendlign-", ignore_cleanup_errors=True)
        self._local: dict[str, Path] = {}
        self._verified: set[str] = set()

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._scratch.cleanup()

    def path(self, place: Located, stored: StoredFile) -> Path:
        """A local path to the file; raises `DamagedOutput` when it is absent or not what its record says."""
        key = f"{place.folder}/{stored.file}"
        if key not in self._local:
            self._local[key] = self._bring(place, stored, key)
            self._forget_oldest()
        return self._local[key]

    def _bring(self, place: Located, stored: StoredFile, key: str) -> Path:
        try:
            if isinstance(self.store, LocalStore):
                path, found = self.store.path(key), ""
                if not path.is_file():
                    raise FileNotFoundError(key)
            else:
                path, found = self._download(key, stored)
        except FileNotFoundError as error:
            raise DamagedOutput(place.stage, place.fingerprint, stored.file, stored.sha256, "no object") from error
        if self.verify and key not in self._verified:
            found = found or file_sha256(path)
            if found != stored.sha256:
                raise DamagedOutput(place.stage, place.fingerprint, stored.file, stored.sha256, found)
            self._verified.add(key)
        return path

    def _download(self, key: str, stored: StoredFile) -> tuple[Path, str]:
        path = Path(self._scratch.name) / key.replace("/", "__")
        digest = hashlib.sha256()
        with self.store.open(key) as source, path.open("wb") as target:
            while block := source.read(8 << 20):
                digest.update(block)
                target.write(block)
        return path, digest.hexdigest()

    def _forget_oldest(self) -> None:
        while len(self._local) > self._keep:
            key = next(iter(self._local))
            path = self._local.pop(key)
            if path.is_relative_to(self._scratch.name):
                path.unlink(missing_ok=True)

    def copy(self, manifest: Manifest, name: str, target: Path) -> Path:
        """Copy the committed file of that name (see `Manifest.file`) to `target`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.path(manifest, manifest.file(name)), target)
        return target
