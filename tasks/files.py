"""The files of a data source, local or on S3, as ingestion wants to see them."""

import errno
import json
import os
import posixpath
import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import cached_property
from itertools import count, islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote

from storage.errors import InvalidKey, StoreFull
from storage.local import LocalStore
from storage.stores import Store, check_key, open_store

BLOCK = 8 << 20

# A hostile glTF file may be of any size and name any number of buffers.
MOST_GLTF_BYTES = 64 << 20
MOST_COMPANIONS = 64
MOST_COMPANION_BYTES = 512 << 20
LONGEST_NAME = 200

_URI = re.compile(rb'"uri"\s*:\s*("[^"\n]{1,1024}")')
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".ktx2", ".basis", ".dds"}


class StoreFiles:
    """The objects of a store as an ingestion source; files on S3 are brought to a local folder when first needed.

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
        if isinstance(self.store, LocalStore) and not self.store.root.is_dir():
            raise FileNotFoundError(_no_folder(url, self.store.root))

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
    def sizes(self) -> dict[str, int]:
        """Every key of the source with its size in bytes, from one listing."""
        return {info.key: info.size for info in self.store.list()}

    def list(self, prefix: str = "") -> Iterator[str]:
        yield from sorted(key for key in self.sizes if key.startswith(prefix))

    def read(self, key: str) -> bytes:
        return self.store.read(key)

    def local(self, key: str) -> Path:
        """A local path of the object, the buffers of a glTF file beside it.

        Raises `FileNotFoundError` where the source holds no such object, and for no other reason. Its text ends up in
        outputs, so it is the same wherever the source lies.
        """
        try:
            check_key(key)
        except InvalidKey:
            raise FileNotFoundError(f"{key!r} does not name a file inside the source") from None
        if not isinstance(self.store, LocalStore):
            return self._downloaded(key)
        path = self.store.path(key)
        if not path.is_file():
            raise FileNotFoundError(_absent(key))
        return path

    def _downloaded(self, key: str) -> Path:
        with self._guard:
            wanted = self._downloads.pop(key, None)
            first = wanted is None
            wanted = wanted or Future()
            self._downloads[key] = wanted  # the most recently used goes last
            place = self._scratch / f"{next(self._numbers):08d}"
            stale = self._stale()
        for folder in stale:
            shutil.rmtree(folder, ignore_errors=True)
        if first:
            try:
                wanted.set_result(self._bring(key, place))
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
        left = MOST_COMPANION_BYTES
        for uri in islice(buffer_uris(path.read_bytes()), MOST_COMPANIONS):
            beside = posixpath.normpath(uri)
            companion = posixpath.join(posixpath.dirname(key), beside)
            size = 0 if beside.startswith(("/", "../")) else self.sizes.get(companion, 0)
            if 0 < size <= left:
                left -= size
                self._fetch(companion, path.parent / beside)

    def _fetch(self, key: str, path: Path) -> None:
        with self._opened(key) as source:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as target:
                    while block := source.read(BLOCK):
                        target.write(block)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    place = tempfile.gettempdir()
                    raise StoreFull(f"no room for {key} in {place}; free some, or point TMPDIR elsewhere") from error
                raise

    def _opened(self, key: str) -> BinaryIO:
        try:
            return self.store.open(key)
        except FileNotFoundError:
            raise FileNotFoundError(_absent(key)) from None

    @cached_property
    def _scratch(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="opendlign-source-"))
        weakref.finalize(self, _remove_own, folder, os.getpid())
        return folder


def buffer_uris(gltf: bytes) -> Iterator[str]:
    """The external files that a .gltf names, pictures apart; looked for in the text, since it may be hostile."""
    seen = set()
    for match in _URI.finditer(gltf):
        try:
            uri = unquote(json.loads(match[1])).replace("\\", "/")
        except ValueError:
            continue
        if uri not in seen and ":" not in uri and PurePosixPath(uri).suffix.lower() not in _PICTURES:
            seen.add(uri)
            yield uri


def _absent(key: str) -> str:
    return f"{key!r} does not exist in the source"


def _no_folder(url: str, root: Path) -> str:
    if root.is_file():
        return f"source {url} is a file: give its folder as the url and, for the adapter list, its name as option list"
    return f"source folder {url} does not exist"


def _remove_own(folder: Path, process: int) -> None:
    """A forked child also runs the parent's finalizers, but the folder is the parent's."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
