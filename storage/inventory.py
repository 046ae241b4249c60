"""Which outputs a store holds, told from a listing."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from storage.output import IDENTITY, MANIFEST
from storage.records import Manifest
from storage.store import ObjectInfo, Store

_OUTPUT = re.compile(r"(?P<stage>[a-z][a-z-]*)/(?P<fingerprint>[0-9a-f]{20})/(?P<name>[^/]+)")


@dataclass(frozen=True)
class Output:
    """The objects found in one stage folder, by name."""

    stage: str
    fingerprint: str
    objects: dict[str, ObjectInfo]

    @property
    def folder(self) -> str:
        return f"{self.stage}/{self.fingerprint}"

    def relisted(self, store: Store) -> "Output":
        """The same folder as it is now."""
        found = {info.key.removeprefix(f"{self.folder}/"): info for info in store.list(self.folder)}
        return Output(self.stage, self.fingerprint, found)

    def loose(self, manifest: Manifest | None) -> list[ObjectInfo]:
        """What the output does not need, finished with this manifest; of an unfinished one nobody can tell."""
        if manifest is None:
            return []
        known = {stored.file for stored in manifest.every_file()} | {MANIFEST, IDENTITY}
        known |= {record.name for record in manifest.shards}
        return [info for name, info in self.objects.items() if name not in known]


def outputs(store: Store) -> Iterator[Output]:
    """Every stage folder of the store, from one listing."""
    return outputs_among(store.list())


def outputs_among(listing: Iterable[ObjectInfo]) -> Iterator[Output]:
    """The stage folders of a listing."""
    found: dict[tuple[str, str], dict[str, ObjectInfo]] = {}
    for info in listing:
        if match := _OUTPUT.fullmatch(info.key):
            found.setdefault((match["stage"], match["fingerprint"]), {})[match["name"]] = info
    for (stage, fingerprint), objects in sorted(found.items()):
        yield Output(stage, fingerprint, objects)
