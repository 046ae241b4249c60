"""Finished shards as a map-style data set: a length, and any sample by its number."""

import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

from opendlign_core.errors import BadInput
from opendlign_core.samples.sample import TypedSample
from opendlign_core.samples.streaming import decoded


class _Member(NamedTuple):
    extension: str
    start: int
    size: int


class _Place(NamedTuple):
    path: Path
    key: str
    members: tuple[_Member, ...]


class ShardDataset(Sequence[Any]):
    """The samples of shards on this disk, for `torch.utils.data.DataLoader` and its samplers.

    A sample is what `open_webdataset` gives: a dictionary of decoded fields with `__key__` or, with `kind`, a typed
    one. Each is read when it is asked for; workers may share the data set.

    >>> import io, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "shard.tar"
    >>> with tarfile.open(path, "w") as tar:
    ...     for name, data in (("a.json", b'{"label": "mug"}'), ("b.json", b'{"label": "car"}')):
    ...         member = tarfile.TarInfo(name)
    ...         member.size = len(data)
    ...         tar.addfile(member, io.BytesIO(data))
    >>> toys = ShardDataset([path])
    >>> len(toys), toys[1]["json"]["label"]
    (2, 'car')
    """

    def __init__(self, paths: Sequence[str | Path], kind: type[TypedSample[Any]] | None = None) -> None:
        """List the samples; only the headers of the shards are read.

        Raises:
            BadInput: a path is no shard; `opendlign urls` lists those of a finished output.
        """
        self._places = [place for path in paths for place in _listed(Path(path))]
        self._kind = kind

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self._read(place) for place in self._places[index]]
        return self._read(self._places[index])

    def _read(self, place: _Place) -> Any:
        fields: dict[str, bytes] = {}
        with place.path.open("rb") as file:
            for member in place.members:
                file.seek(member.start)
                fields[member.extension] = file.read(member.size)
        return decoded({"__key__": place.key, **fields}) if self._kind is None else self._kind.read(place.key, fields)


def _listed(path: Path) -> list[_Place]:
    found: dict[str, list[_Member]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                key, _, extension = info.name.partition(".")
                found.setdefault(key, []).append(_Member(extension, info.offset_data, info.size))
    except (OSError, tarfile.TarError) as error:
        raise BadInput(f"{path} is no shard that can be read: {error}") from error
    return [_Place(path, key, tuple(members)) for key, members in found.items()]
