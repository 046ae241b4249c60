"""WebDataset tars, written so that the same samples give the same bytes, and read back sample by sample."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

import numpy as np


def sample_key(object_id: str) -> str:
    """A tar-safe key without dots or slashes; `object_id` turns it back."""
    return quote(object_id, safe="").replace(".", "%2E").replace("~", "%7E")


def object_id(key: str) -> str:
    return unquote(key)


@dataclass(frozen=True)
class Sample:
    """One sample: its key and the raw bytes of each extension."""

    key: str
    fields: Mapping[str, bytes]

    def array(self, extension: str) -> np.ndarray[Any, Any]:
        """The array behind a `.npy` extension; pickled objects are refused."""
        loaded: np.ndarray[Any, Any] = np.load(io.BytesIO(self.fields[extension]), allow_pickle=False)
        return loaded

    def json(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.fields["json"])
        return loaded


def encode_array(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def encode_json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n").encode()


class ShardWriter:
    """Write samples to a local tar with fixed times and order; an error inside the block leaves no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = 0
        self._tar: tarfile.TarFile | None = None
        self._last = ""

    def __enter__(self) -> "ShardWriter":
        self._tar = tarfile.open(self.path, "w", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tar is not None:
            self._tar.close()
        if kind is not None:
            self.path.unlink(missing_ok=True)

    def add(self, key: str, fields: Mapping[str, bytes]) -> None:
        """Append one sample; neighbours with the same key would be read as one and are refused."""
        if self._tar is None:
            raise ValueError("enter the writer before adding samples")
        if key == self._last or "." in key or "/" in key:
            raise ValueError(f"sample key {key!r} repeats or is not tar-safe")
        for extension in sorted(fields):
            info = tarfile.TarInfo(f"{key}.{extension}")
            info.size = len(fields[extension])
            info.mode = 0o444
            self._tar.addfile(info, io.BytesIO(fields[extension]))
        self._last = key
        self.samples += 1


@dataclass(frozen=True)
class _Member:
    extension: str
    offset: int
    size: int


class ShardFile:
    """Random access to the samples of one finished tar."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._samples: list[tuple[str, list[_Member]]] = []
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for info in tar:
                key, _, extension = info.name.partition(".")
                if not self._samples or self._samples[-1][0] != key:
                    self._samples.append((key, []))
                self._samples[-1][1].append(_Member(extension, info.offset_data, info.size))

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, position: int) -> Sample:
        key, members = self._samples[position]
        return Sample(key, {member.extension: self._bytes(member) for member in members})

    def __iter__(self) -> Iterator[Sample]:
        for position in range(len(self)):
            yield self[position]

    def _bytes(self, member: _Member) -> bytes:
        self._stream.seek(member.offset)
        return self._stream.read(member.size)
