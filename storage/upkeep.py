"""Care of a store: re-hash everything, remove what is damaged so that it is rebuilt, collect what nobody needs."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pydantic import ValidationError

from storage.errors import DamagedOutput
from storage.fetch import Fetcher
from storage.output import MANIFEST
from storage.records import Manifest, ShardRecord, StoredFile
from storage.stores import ObjectInfo, Store

STAGE_FOLDER = re.compile(r"(?P<folder>(?P<stage>[a-z][a-z-]*)/(?P<fingerprint>[0-9a-f]{20}))/(?P<name>[^/]+)")


@dataclass
class Health:
    """What a look at every object of a store found."""

    outputs: int = 0
    files: int = 0
    bytes: int = 0
    unfinished: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    orphans: list[ObjectInfo] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.damaged


@dataclass(frozen=True)
class _Output:
    """The objects found in one stage folder, by name."""

    stage: str
    fingerprint: str
    objects: dict[str, ObjectInfo]

    @property
    def folder(self) -> str:
        return f"{self.stage}/{self.fingerprint}"


def verify_store(store: Store, *, repair: bool = False, on_file: Callable[[str], None] | None = None) -> Health:
    """Re-hash every committed file. `repair` deletes damaged shards, their records and the manifest above them."""
    health = Health()
    for output in outputs(store):
        health.outputs += 1
        _verify_output(store, output, health, repair, on_file)
    return health


def _verify_output(
    store: Store, output: _Output, health: Health, repair: bool, on_file: Callable[[str], None] | None
) -> None:
    records, manifest = _documents(store, output, health)
    if manifest is None:
        health.unfinished.append(output.folder)
    holder = manifest or Manifest(
        stage=output.stage,
        version=0,
        fingerprint=output.fingerprint,
        recipe={},
        upstream={},
        shards=tuple(records.values()),
    )
    bad = [stored for stored in _distinct(holder, records) if not _is_sound(store, holder, stored, health, on_file)]
    known = {stored.file for stored in _distinct(holder, records)} | set(records) | {MANIFEST}
    health.orphans += [info for name, info in output.objects.items() if name not in known]
    if repair and bad:
        _drop_damaged(store, output, records, bad, health)


def _drop_damaged(
    store: Store, output: _Output, records: dict[str, ShardRecord], bad: list[StoredFile], health: Health
) -> None:
    """The manifest goes first: while it stands, the stage would not look at its shards again."""
    names = {stored.file for stored in bad}
    store.delete(f"{output.folder}/{MANIFEST}")
    for name, record in records.items():
        if names & {stored.file for stored in record.files}:
            store.delete(f"{output.folder}/{name}")
            health.repaired.append(f"{output.folder}/{name}")
    for file in sorted(names):
        store.delete(f"{output.folder}/{file}")


def _documents(store: Store, output: _Output, health: Health) -> tuple[dict[str, ShardRecord], Manifest | None]:
    records = {}
    for name in output.objects:
        if re.fullmatch(r"shard-\d{6}\.json", name):
            try:
                records[name] = ShardRecord.model_validate_json(store.read(f"{output.folder}/{name}"))
            except ValidationError:
                health.damaged.append(f"{output.folder}/{name}: not a shard record")
    if MANIFEST not in output.objects:
        return records, None
    return records, Manifest.model_validate_json(store.read(f"{output.folder}/{MANIFEST}"))


def _distinct(manifest: Manifest, records: dict[str, ShardRecord]) -> list[StoredFile]:
    loose = (stored for record in records.values() for stored in record.files)
    return list({stored.file: stored for stored in (*manifest.every_file(), *loose)}.values())


def _is_sound(
    store: Store,
    manifest: Manifest,
    stored: StoredFile,
    health: Health,
    on_file: Callable[[str], None] | None,
) -> bool:
    health.files += 1
    health.bytes += stored.bytes
    if on_file is not None:
        on_file(f"{manifest.folder}/{stored.file}")
    try:
        with Fetcher(store) as fetcher:
            fetcher.path(manifest, stored)
    except DamagedOutput as error:
        health.damaged.append(str(error))
        return False
    return True


def outputs(store: Store) -> Iterator[_Output]:
    """Every stage folder of the store, from one listing."""
    found: dict[tuple[str, str], dict[str, ObjectInfo]] = {}
    for info in store.list():
        if match := STAGE_FOLDER.fullmatch(info.key):
            found.setdefault((match["stage"], match["fingerprint"]), {})[match["name"]] = info
    for (stage, fingerprint), objects in sorted(found.items()):
        yield _Output(stage, fingerprint, objects)


def garbage(store: Store, keep: set[str] | None = None) -> list[ObjectInfo]:
    """Objects no kept manifest needs: orphans everywhere and, when `keep` names fingerprints, whole other outputs.

    Kept are the named outputs and everything they were made from. Without `keep` every finished output is kept.
    Outputs without a manifest are work in progress: they are garbage only when `keep` is given and does not name them.
    """
    found = list(outputs(store))
    manifests = {output.fingerprint: _manifest(store, output) for output in found if MANIFEST in output.objects}
    needed = set(manifests) if keep is None else _closure(keep, manifests)
    unwanted: list[ObjectInfo] = []
    for output in found:
        if output.fingerprint in needed:
            unwanted += _loose(output, manifests.get(output.fingerprint))
        elif keep is not None:
            unwanted += output.objects.values()
    return unwanted


def delete_all(store: Store, objects: list[ObjectInfo]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda info: store.delete(info.key), objects))


def _manifest(store: Store, output: _Output) -> Manifest:
    return Manifest.model_validate_json(store.read(f"{output.folder}/{MANIFEST}"))


def _closure(keep: set[str], manifests: dict[str, Manifest]) -> set[str]:
    needed: set[str] = set()
    waiting = list(keep)
    while waiting:
        fingerprint = waiting.pop()
        if fingerprint not in needed:
            needed.add(fingerprint)
            if fingerprint in manifests:
                waiting += manifests[fingerprint].upstream.values()
    return needed


def _loose(output: _Output, manifest: Manifest | None) -> list[ObjectInfo]:
    if manifest is None:
        return []
    known = {stored.file for stored in manifest.every_file()} | {MANIFEST}
    known |= {f"shard-{record.index:06d}.json" for record in manifest.shards}
    return [info for name, info in output.objects.items() if name not in known]
