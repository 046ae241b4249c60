"""The files of a data source on S3, as ingestion wants to see them: brought to a local folder when first needed."""

import errno
import os
import posixpath
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from opendlign_core.ingestion import DirectoryFiles, FileInfo, Files
from opendlign_core.ingestion.companions import MOST_GLTF_BYTES, companion_keys
from opendlign_core.ingestion.files import check_list_size
from storage.errors import InvalidKey, StoreFull
from storage.local import LocalStore
from storage.store import Store, check_key
from storage.stores import open_store

BLOCK = 8 << 20
MOST_COMPANION_BYTES = 512 << 20
LONGEST_NAME = 200


class SourceFiles(Files, Protocol):
    """The files of a source with what one listing tells of each."""

    @property
    def url(self) -> str: ...

    @property
    def infos(self) -> dict[str, FileInfo]:
        """Every file by its key, as it was when first asked."""
        ...

    def info(self, key: str) -> FileInfo | None:
        """What is known of the file that `local` gives now; None where it gives nothing."""
        ...


class StoreFiles:
    """The objects below an `s3://` url as an ingestion source.

    Threads may share one; each object is brought once. A download stays until `keep` other objects were asked for, or
    until `close`. Use as a context manager.
    """

    def __init__(self, url: str, *, keep: int = 64) -> None:
        self.url = url
        self.store: Store = open_store(url)
        self._keep = keep
        self._guard = threading.Lock()
        self._downloads: dict[str, Future[Path]] = {}
        self._numbers = count()

    def __reduce__(self) -> tuple[type["StoreFiles"], tuple[str]]:
        return (StoreFiles, (self.url,))

    def __enter__(self) -> "StoreFiles":
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was downloaded; what is asked for afterwards is downloaded again."""
        with self._guard:
            self._downloads.clear()
            if scratch := self.__dict__.pop("_scratch", None):
                shutil.rmtree(scratch, ignore_errors=True)

    @cached_property
    def infos(self) -> dict[str, FileInfo]:
        return {info.key: FileInfo(info.size, info.version) for info in self.store.list()}

    def list(self, prefix: str = "") -> Iterator[str]:
        yield from sorted(key for key in self.infos if key.startswith(prefix))

    def read(self, key: str) -> bytes:
        if key in self.infos:
            check_list_size(key, self.infos[key].size)
        return self.store.read(key)

    def info(self, key: str) -> FileInfo | None:
        """The download has no version: the object may have been replaced between the listing and it."""
        try:
            return FileInfo(self.local(key).stat().st_size, "")
        except FileNotFoundError:
            return None

    def local(self, key: str) -> Path:
        try:
            check_key(key)
        except InvalidKey:
            raise FileNotFoundError(f"{key!r} does not name a file inside the source") from None
        with self._guard:
            wanted = self._downloads.pop(key, None)
            first = wanted is None
            wanted = wanted or Future()
            self._downloads[key] = wanted  # the most recently used goes last
            target = self._scratch / f"{next(self._numbers):08d}"
            stale = self._stale()
        for folder in stale:
            shutil.rmtree(folder, ignore_errors=True)
        if first:
            try:
                wanted.set_result(self._bring(key, target))
            except BaseException as error:
                with self._guard:
                    self._downloads.pop(key, None)
                wanted.set_exception(error)
        return wanted.result()

    def _stale(self) -> Sequence[Path]:
        finished = [key for key, future in self._downloads.items() if future.done()]
        surplus = max(len(self._downloads) - self._keep, 0)
        return [self._downloads.pop(key).result().parent for key in finished[:surplus]]

    def _bring(self, key: str, folder: Path) -> Path:
        name = PurePosixPath(key).name
        if len(name.encode()) > LONGEST_NAME:
            name = f"object{PurePosixPath(key).suffix[: LONGEST_NAME // 4]}"
        path = folder / name
        self._fetch(key, path)
        if path.suffix.lower() == ".gltf" and path.stat().st_size <= MOST_GLTF_BYTES:
            self._bring_buffers(key, path)
        return path

    def _bring_buffers(self, key: str, path: Path) -> None:
        """What is absent or too large stays away; the reader says so."""
        left, folder = MOST_COMPANION_BYTES, posixpath.dirname(key)
        for companion in companion_keys(key, path.read_bytes()):
            size = self.infos[companion].size if companion in self.infos else 0
            if 0 < size <= left:
                left -= size
                self._fetch(companion, path.parent / posixpath.relpath(companion, folder or "."))

    def _fetch(self, key: str, path: Path) -> None:
        with self._opened(key) as source:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as target:
                    while block := source.read(BLOCK):
                        target.write(block)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    scratch = tempfile.gettempdir()
                    raise StoreFull(f"no room for {key} in {scratch}; free some, or point TMPDIR elsewhere") from error
                raise

    def _opened(self, key: str) -> BinaryIO:
        try:
            return self.store.open(key)
        except FileNotFoundError:
            raise FileNotFoundError(f"{key!r} does not exist in the source") from None

    @cached_property
    def _scratch(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="opendlign-source-"))
        weakref.finalize(self, _remove_own, folder, os.getpid())
        return folder


@contextmanager
def open_files(url: str) -> Iterator[SourceFiles]:
    """The files below a url: a folder, or `s3://bucket/prefix`.

    Raises:
        FileNotFoundError: no such folder.
    """
    store = open_store(url)
    if isinstance(store, LocalStore):
        yield DirectoryFiles(store.root)
        return
    with StoreFiles(url) as files:
        yield files


def _remove_own(folder: Path, process: int) -> None:
    """A forked child also runs the parent's finalizers, but the folder is the parent's."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
