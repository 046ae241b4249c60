"""The one interface to bytes at rest: what every store can do, and which keys it takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, runtime_checkable

from storage.errors import InvalidKey

SHARED_FOR = timedelta(hours=12)


@dataclass(frozen=True)
class ObjectInfo:
    """An object as a listing tells of it.

    `modified` is when it was put, in seconds since 1970 by the store's clock; `version` is another one whenever the
    object is another one.
    """

    key: str
    size: int
    modified: float = 0.0
    version: str = ""


@runtime_checkable
class Store(Protocol):
    """A flat map from keys (relative, with `/`) to immutable bytes.

    `put_file` and `put_if_absent` publish whole objects or nothing: no reader ever sees a part of one.
    Reading a key that is not there raises `FileNotFoundError`; a store that cannot be reached or refuses access
    raises `StoreUnavailable`, a full one `StoreFull`.
    """

    @property
    def url(self) -> str:
        """What `open_store` was given; holds no credentials."""
        ...

    def list(self, folder: str = "", starting: str = "") -> Iterator[ObjectInfo]:
        """Every object below `folder`, in key order, as the store is now (nothing is cached).

        `starting` narrows it to what goes on with these letters after the folder's name.
        """
        ...

    def exists(self, key: str) -> bool: ...

    def read(self, key: str) -> bytes:
        """The whole object."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A seekable stream of the object, for ranges and for objects larger than memory."""
        ...

    def share_url(self, key: str, lifetime: timedelta = SHARED_FOR) -> str:
        """Where a program that knows nothing of stores reads the object: a path, or a signed URL good for `lifetime`.

        Whoever holds a signed URL can read that object, and nothing else, until it ends (S3 allows seven days at
        most). Nobody looks whether the object is there.
        """
        ...

    def put_file(self, path: Path, key: str) -> None:
        """Publish a finished local file, replacing what was there."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Publish `data` unless the key is taken; returns whether this call published it.

        Where an answer got lost on the way and the call was repeated, finding `data` itself under the key counts as
        having published it.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object if it is there."""
        ...

    def leftovers(self, older_than: timedelta) -> Sequence[ObjectInfo]:
        """Invisible remains of interrupted writes, last touched longer ago than that; `delete` removes them."""
        ...


def check_key(key: str) -> str:
    """Return the key; raises `InvalidKey` unless it is relative, normalised and stays inside the store."""
    if not key or "\0" in key or key.startswith("/") or ".." in key.split("/") or str(PurePosixPath(key)) != key:
        raise InvalidKey(f"key {key!r} must be relative, without empty parts, and stay inside the store")
    return key
