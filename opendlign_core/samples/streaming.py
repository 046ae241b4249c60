"""Finished shards as a `webdataset.WebDataset`, for training loops outside this product."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from opendlign_core.errors import BadInput
from opendlign_core.samples.depth import decode_depth
from opendlign_core.samples.encoding import decode_array
from opendlign_core.samples.images import decode_image
from opendlign_core.samples.sample import TypedSample

if TYPE_CHECKING:
    from webdataset import WebDataset

_PICTURES = (".webp", ".jpg", ".png")


def open_webdataset(
    urls: Sequence[str], kind: type[TypedSample[Any]] | None = None, *, shuffle: int = 0, seed: int = 0
) -> "WebDataset":
    """The samples of shards, each shard read by one worker of one node.

    Samples are dictionaries of decoded fields with their names in the shard: depth maps float32 [V, S, S], pictures
    uint8 [S, S, 3], arrays as they were stored, `json` a dictionary; nothing is ever unpickled. With `kind` they are
    typed samples, which decode maps and pictures only when asked.

    The ranks of a process group (or of `RANK` and `WORLD_SIZE`) and the workers of a `DataLoader` take different
    shards, so there should be as many shards as consumers: webdataset raises ValueError in one that gets none. The
    order follows from `urls`, `seed` and the numbers of ranks and workers; give every epoch a seed of its own.

    Args:
        urls: Paths, or http(s) URLs such as signed ones, which are read through `curl`.
        kind: The kind of samples that the shards hold, such as `Painted`.
        shuffle: How many samples lie in the buffer that the next one is drawn from; shards are shuffled as well.
            0 keeps the order.
        seed: Decides the order of a shuffle.

    Raises:
        BadInput: There is no URL, or one that webdataset would not read as a file.
        TornShard: While reading: a file or a download ends before its archive does.
    """
    from webdataset import WebDataset, split_by_node
    from webdataset.cache import StreamingOpen

    ordered = [_checked(url) for url in urls]
    if not ordered:
        raise BadInput("no shard to open; `opendlign urls` lists those of a finished output")
    if shuffle:
        # Before the shards are dealt out: all consumers agree on the order, and their shares change with the seed.
        random.Random(seed).shuffle(ordered)
    dataset = WebDataset(ordered, shardshuffle=False, nodesplitter=split_by_node)
    opener = next(place for place, part in enumerate(dataset.pipeline) if isinstance(part, StreamingOpen))
    dataset.pipeline.insert(opener + 1, _whole)
    mixed = dataset.shuffle(shuffle, initial=shuffle, seed=seed)
    return mixed.map(decoded if kind is None else partial(_typed, kind))


class TornShard(BadInput):
    """A shard ends before its archive does, because its file was cut or its download broke off."""

    def __str__(self) -> str:
        return str(self.args[0])  # webdataset adds the stream and the whole URL


class _WholeArchive:
    """The bytes of a shard; whoever asks for more than there are has not seen the archive's end.

    A tar that is cut between two members reads like one that ends there, and webdataset looks at how `curl` ended only
    where `curl` is quick to do so. The marker at the end of an archive tells, whatever the bytes came through.
    """

    def __init__(self, stream: BinaryIO, url: str) -> None:
        self._stream, self._url = stream, url

    def read(self, size: int = -1) -> bytes:
        with suppress(OSError):  # `curl` ended with an error
            if data := self._stream.read(size):
                return data
        # What follows the `?` of a signed URL is a secret.
        raise TornShard(
            f"{self._url.partition('?')[0]}: could not be read to the end of its archive; "
            "see whether the shard is whole and a signed URL still good"
        )


def _whole(shards: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        try:
            yield {**shard, "stream": _WholeArchive(shard["stream"], shard["url"])}
        finally:
            # Also where whoever reads gives up in the middle: webdataset would leave the file open.
            with suppress(OSError):  # `curl` ended with an error
                shard["stream"].close()


def _checked(url: str) -> str:
    """Webdataset runs what follows `pipe:`, asks programs for other schemes, and cuts a path at `#` and `?`."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "http", "https"):
        raise BadInput(f"{url}: shards are read from paths and http(s) URLs; list them with `opendlign urls`")
    if not parts.scheme and parts.path != url:
        raise BadInput(f"{url}: webdataset cannot open a path with '#' or '?'; rename or link the folder")
    return url


def decoded(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample's fields, read by their extensions; what begins with `__` is about the sample and stays."""
    return {name: value if name.startswith("__") else _field(name, value) for name, value in sample.items()}


def _field(extension: str, stored: bytes) -> Any:
    if extension == "json":
        return json.loads(stored)
    if extension == "depth.npy":
        return decode_depth(stored)
    if extension.endswith(".npy"):
        return decode_array(stored)
    return decode_image(stored) if extension.endswith(_PICTURES) else stored


def _typed(kind: type[TypedSample[Any]], sample: Mapping[str, Any]) -> TypedSample[Any]:
    return kind.read(sample["__key__"], {name: value for name, value in sample.items() if not name.startswith("__")})
