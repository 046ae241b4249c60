"""The one interface to bytes at rest, and the door that picks an implementation from a URL."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from storage.settings import Settings, get_settings


@dataclass(frozen=True)
class ObjectInfo:
    key: str
    size: int


@runtime_checkable
class Store(Protocol):
    """A flat map from keys (relative, with `/`) to immutable bytes.

    `put_file` and `put_if_absent` publish whole objects or nothing: no reader ever sees a part of one.
    """

    @property
    def url(self) -> str:
        """What `open_store` was given; holds no credentials."""
        ...

    def list(self, folder: str = "") -> Iterator[ObjectInfo]:
        """Every object below `folder`, in key order, as the store is now (nothing is cached)."""
        ...

    def exists(self, key: str) -> bool: ...

    def read(self, key: str) -> bytes:
        """The whole object; raises `FileNotFoundError` where there is none."""
        ...

    def open(self, key: str) -> BinaryIO:
        """A seekable stream of the object, for ranges and for objects larger than memory."""
        ...

    def put_file(self, path: Path, key: str) -> None:
        """Publish a finished local file, replacing what was there."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Publish `data` unless the key is taken; returns whether this call published it."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object if it is there."""
        ...


def open_store(url: str | Path, settings: Settings | None = None) -> Store:
    """Open a local folder (created when first written) or `s3://bucket/prefix`."""
    text = str(url)
    if text.startswith("s3://"):
        from storage.s3 import S3Store

        return S3Store(text, settings or get_settings())
    if "://" in text:
        raise ValueError(f"store {text!r}: only a folder or s3://bucket/prefix can be a store")
    from storage.local import LocalStore

    return LocalStore(Path(text))
