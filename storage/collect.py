"""What of a store nobody needs any more, and its removal."""

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from storage.errors import MissingOutput
from storage.inventory import Output, outputs_among
from storage.output import MANIFEST, find_manifest, read_identity
from storage.records import Manifest
from storage.store import ObjectInfo, Store
from storage.upkeep import PARALLEL

# A write in progress is touched all the time; what was not touched for a day has no writer any more.
ABANDONED = timedelta(days=1)

_OF_OUTPUT = re.compile(r"(?P<output>[a-z][a-z-]*/[0-9a-f]{20})/(?P<name>.+)")


@dataclass(frozen=True)
class Beside:
    """A folder of a store that holds no outputs but things that go with them, in `<folder>/<stage>/<fingerprint>/`.

    `until` says when these are of no more use: with their output `removed`, or as soon as it is `finished`. In a
    `shared` folder, `<folder>/<name>` serves every output that left a note `<folder>/<stage>/<fingerprint>/<name>`,
    and is of no more use without any.
    """

    folder: str
    until: Literal["removed", "finished"] = "removed"
    shared: bool = False


@dataclass(frozen=True)
class _Shelf:
    """Every output found in a store, with its manifest where it is finished."""

    store: Store
    outputs: Mapping[str, Output]
    manifests: Mapping[str, Manifest | None]

    @classmethod
    def of(cls, store: Store, objects: Sequence[ObjectInfo]) -> "_Shelf":
        found = {output.fingerprint: output for output in outputs_among(objects)}
        manifests = {name: find_manifest(store, output.stage, name) for name, output in found.items()}
        return cls(store, found, manifests)

    def kept(self, keep: Collection[str], older_than: timedelta) -> set[str]:
        """The named outputs, those that somebody may be at work on, and everything that these are made from."""
        needed: set[str] = set()
        waiting = [*keep, *self._in_progress(older_than)]
        while waiting:
            fingerprint = waiting.pop()
            if fingerprint not in needed:
                needed.add(fingerprint)
                waiting += self._upstream(fingerprint)
        return needed

    def _in_progress(self, older_than: timedelta) -> Iterator[str]:
        latest = time.time() - older_than.total_seconds()
        for name, output in self.outputs.items():
            if self.manifests[name] is None and any(info.modified >= latest for info in output.objects.values()):
                yield name

    def _upstream(self, fingerprint: str) -> list[str]:
        """What an output is made from: its manifest says so or, while it is unfinished, its declaration."""
        output = self.outputs.get(fingerprint)
        if output is None:
            return []
        manifest = self.manifests[fingerprint]
        if manifest is not None:
            return list(manifest.upstream.values())
        try:
            return list(read_identity(self.store, output.stage, fingerprint).upstream.values())
        except FileNotFoundError:
            return []


def garbage(
    store: Store,
    keep: Collection[str] | None = None,
    *,
    beside: Sequence[Beside] = (),
    older_than: timedelta = ABANDONED,
) -> list[ObjectInfo]:
    """Objects no kept output needs.

    They are orphans everywhere, remains of interrupted writes that are `older_than` that and, when `keep` names
    fingerprints, whole other outputs. Kept are the named outputs, unfinished ones that were touched since, and
    everything these are made from; without `keep` all are. A kept output that is unfinished loses nothing, since
    somebody may be at work on it. What lies `beside` outputs goes with them.

    Raises `DamagedOutput` where a manifest cannot be read, because nobody knows what that output needs, and
    `MissingOutput` when `keep` names nothing that is here.
    """
    objects = list(store.list())
    shelf = _Shelf.of(store, objects)
    if keep and not shelf.outputs.keys() & set(keep):
        raise MissingOutput(f"none of the outputs to keep is in {store.url}: {sorted(keep)[:5]}")
    needed = set(shelf.outputs) if keep is None else shelf.kept(keep, older_than)
    unwanted: list[ObjectInfo] = []
    staying: dict[str, Manifest | None] = {}
    for name, output in shelf.outputs.items():
        if name in needed:
            staying[output.folder] = shelf.manifests[name]
            unwanted += output.loose(shelf.manifests[name])
        else:
            unwanted += output.objects.values()
    for folder in beside:
        unwanted += _useless(folder, objects, staying)
    return [*unwanted, *store.leftovers(older_than)]


def delete_all(store: Store, objects: Sequence[ObjectInfo]) -> None:
    """Delete the objects, manifests first, so that an interrupted deletion leaves no output that looks finished."""
    first = [info for info in objects if info.key.endswith(f"/{MANIFEST}")]
    rest = [info for info in objects if not info.key.endswith(f"/{MANIFEST}")]
    with ThreadPoolExecutor(PARALLEL) as pool:
        for part in (first, rest):
            list(pool.map(lambda info: store.delete(info.key), part))


def _useless(
    beside: Beside, objects: Sequence[ObjectInfo], staying: Mapping[str, Manifest | None]
) -> Iterator[ObjectInfo]:
    used, shared = set(), {}
    for info in objects:
        folder, _, rest = info.key.partition("/")
        if folder != beside.folder:
            continue
        if match := _OF_OUTPUT.fullmatch(rest):
            if match["output"] not in staying or (beside.until == "finished" and staying[match["output"]] is not None):
                yield info
            else:
                used.add(match["name"])
        elif beside.shared and "/" not in rest:
            shared[rest] = info
    yield from (info for name, info in shared.items() if name not in used)
