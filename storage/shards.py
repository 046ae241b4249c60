"""WebDataset tars, written so that the same samples give the same bytes, and read back sample by sample."""

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from storage.errors import RepeatedId

# `webdataset` folds extensions to lower case, and cuts a member's name at its first dot.
_EXTENSION = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True)
class Sample:
    """One sample: its key and the bytes of each extension, whatever they mean."""

    key: str
    fields: Mapping[str, bytes]


class ShardWriter:
    """Write samples to a local tar with fixed times and order; an error inside the block leaves no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: set[str] = set()
        self._stream: BinaryIO | None = None
        self._tar: tarfile.TarFile | None = None

    @property
    def samples(self) -> int:
        return len(self._keys)

    def __enter__(self) -> "ShardWriter":
        self._stream = self.path.open("wb")
        self._tar = tarfile.open(fileobj=self._stream, mode="w", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        finished = False
        try:
            if kind is None and self._tar is not None:
                self._tar.close()
                finished = True
        finally:
            self._close(finished)

    def _close(self, finished: bool) -> None:
        """Closing flushes, so it may be what fails on a full disk."""
        try:
            if self._stream is not None:
                self._stream.close()
        except OSError:
            self.path.unlink(missing_ok=True)
            if finished:
                raise
        if not finished:
            self.path.unlink(missing_ok=True)

    def add(self, key: str, fields: Mapping[str, bytes]) -> None:
        """Append one sample, its fields in the order of their extensions; a key may occur once in a shard."""
        if self._tar is None:
            raise ValueError("enter the writer before adding samples")
        if not key or "." in key or "/" in key:
            raise ValueError(f"sample key {key!r} is empty or not tar-safe: it may hold neither dots nor slashes")
        if key in self._keys:
            name = unquote(key, errors="surrogatepass")
            raise RepeatedId(f"object id {name!r} occurs twice in a shard; ids must be unique in a source")
        if not fields:
            raise ValueError(f"sample {key!r} holds nothing, so a reader would not see it")
        for extension in sorted(fields):
            if not _EXTENSION.fullmatch(extension):
                raise ValueError(f"sample {key!r}: extension {extension!r} is not lower case letters and digits")
            info = tarfile.TarInfo(f"{key}.{extension}")
            info.size = len(fields[extension])
            info.mode = 0o444
            self._tar.addfile(info, io.BytesIO(fields[extension]))
        self._keys.add(key)


@dataclass(frozen=True)
class _Member:
    extension: str
    offset: int
    size: int


class ShardFile:
    """Random access to the samples of one finished tar; raises `tarfile.ReadError` where it is cut short."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._samples: list[tuple[str, list[_Member]]] = []
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for info in tar:
                key, _, extension = info.name.partition(".")
                if not self._samples or self._samples[-1][0] != key:
                    self._samples.append((key, []))
                self._samples[-1][1].append(_Member(extension, info.offset_data, info.size))
        self._check_end()

    def _check_end(self) -> None:
        """A tar cut inside a header looks like a shorter one, but for the zeros that every tar ends with."""
        last = self._samples[-1][1][-1] if self._samples else _Member("", 0, 0)
        self._stream.seek(last.offset + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
        if self._stream.read(2 * tarfile.BLOCKSIZE) != bytes(2 * tarfile.BLOCKSIZE):
            raise tarfile.ReadError("the tar ends too soon")

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def keys(self) -> tuple[str, ...]:
        """The samples' keys, in their order; no sample is read for them."""
        return tuple(key for key, _ in self._samples)

    def __getitem__(self, position: int) -> Sample:
        key, members = self._samples[position]
        return Sample(key, {member.extension: self._bytes(member) for member in members})

    def __iter__(self) -> Iterator[Sample]:
        for position in range(len(self)):
            yield self[position]

    def _bytes(self, member: _Member) -> bytes:
        self._stream.seek(member.offset)
        content = self._stream.read(member.size)
        if len(content) != member.size:
            raise tarfile.ReadError(f"the tar ends after {len(content)} of {member.size} bytes")
        return content
