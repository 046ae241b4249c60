"""Care of a store: re-hash everything, remove what is damaged so that it is rebuilt, collect what nobody needs."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO

from pydantic import ValidationError

from storage.errors import DamagedOutput
from storage.fetch import BLOCK
from storage.fingerprint import StageIdentity
from storage.output import IDENTITY, MANIFEST, RECORD, find_manifest, read_record
from storage.records import Manifest, ShardRecord, StoredFile
from storage.store import ObjectInfo, Store

STAGE_FOLDER = re.compile(r"(?P<stage>[a-z][a-z-]*)/(?P<fingerprint>[0-9a-f]{20})/(?P<name>[^/]+)")
PARALLEL = 8

# A write in progress is touched all the time; what was not touched for a day has no writer any more.
LEFTOVER_AGE = timedelta(days=1)


@dataclass
class Health:
    """What a look at every object of a store found; `repaired` names the keys that a repair removed."""

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


@dataclass
class _Documents:
    """What the small JSON objects of a folder say; `broken` maps the names of unusable ones to the reason."""

    manifest: Manifest | None = None
    records: dict[str, ShardRecord] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[StoredFile]:
        """Every file that a reader may ask for, each once."""
        promised = [*(self.manifest.every_file() if self.manifest else ())]
        promised += (stored for record in self.records.values() for stored in record.files)
        return list(dict.fromkeys(promised))


def verify_store(store: Store, *, repair: bool = False, on_file: Callable[[str], None] | None = None) -> Health:
    """Re-hash every committed file. `repair` deletes damaged shards, their records and the manifest above them."""
    health = Health()
    with ThreadPoolExecutor(PARALLEL) as pool:
        for output in outputs(store):
            health.outputs += 1
            _verify_output(store, output, health, pool, repair, on_file)
    return health


def _verify_output(
    store: Store,
    output: _Output,
    health: Health,
    pool: ThreadPoolExecutor,
    repair: bool,
    on_file: Callable[[str], None] | None,
) -> None:
    documents = _documents(store, output, pool)
    if documents.manifest is None:
        health.unfinished.append(output.folder)
    health.damaged += documents.broken.values()
    files = documents.files
    bad: set[str] = set()
    for stored, found in zip(files, pool.map(lambda stored: _digest(store, output, stored), files), strict=True):
        health.files += 1
        health.bytes += stored.bytes
        if on_file is not None:
            on_file(f"{output.folder}/{stored.file}")
        if found != stored.sha256:
            bad.add(stored.file)
            health.damaged.append(_damage(output, stored.file, f"sha256 {stored.sha256}", found))
    known = {stored.file for stored in files} | set(documents.records) | set(documents.broken) | {MANIFEST, IDENTITY}
    health.orphans += [info for name, info in output.objects.items() if name not in known]
    if repair and (bad or documents.broken):
        _drop_damaged(store, output, documents, bad, health)


def _drop_damaged(store: Store, output: _Output, documents: _Documents, bad: set[str], health: Health) -> None:
    """The manifest goes first: while it stands, the stage would not look at its shards again."""
    records = [name for name, record in documents.records.items() if bad & {stored.file for stored in record.files}]
    unwanted = [MANIFEST, *sorted({*documents.broken} - {MANIFEST}), *records, *sorted(bad)]
    for name in unwanted:
        if name in output.objects:
            store.delete(f"{output.folder}/{name}")
            health.repaired.append(f"{output.folder}/{name}")


def _documents(store: Store, output: _Output, pool: ThreadPoolExecutor) -> _Documents:
    documents = _Documents()
    names = sorted(name for name in output.objects if RECORD.fullmatch(name))
    for name, record in zip(names, pool.map(lambda name: _record(store, output, name), names), strict=True):
        if isinstance(record, ShardRecord):
            documents.records[name] = record
        else:
            documents.broken[name] = record
    try:
        documents.manifest = find_manifest(store, output.stage, output.fingerprint)
    except DamagedOutput as error:
        documents.broken[MANIFEST] = str(error)
    if documents.manifest is not None:
        _compare(output, documents.manifest, documents)
    if reason := _identity_fault(store, output):
        documents.broken[IDENTITY] = reason
    return documents


def _compare(output: _Output, manifest: Manifest, documents: _Documents) -> None:
    """A manifest repeats its shards' records; one that was made from other records must be made again."""
    for record in manifest.shards:
        name = f"shard-{record.index:06d}.json"
        if name not in documents.broken and documents.records.get(name) != record:
            found = "another record" if name in documents.records else "no record"
            documents.broken[MANIFEST] = _damage(output, MANIFEST, f"{name} as the manifest repeats it", found)


def _record(store: Store, output: _Output, name: str) -> ShardRecord | str:
    """The record of that name, or why it is none."""
    try:
        return read_record(store, output.stage, output.fingerprint, int(name[6:-5]))
    except (DamagedOutput, FileNotFoundError) as error:
        return str(error)


def _identity_fault(store: Store, output: _Output) -> str:
    if IDENTITY not in output.objects:
        return ""
    try:
        identity = StageIdentity.model_validate_json(store.read(f"{output.folder}/{IDENTITY}"))
    except ValidationError:
        return _damage(output, IDENTITY, "a StageIdentity", "something else")
    return "" if identity.folder == output.folder else _damage(output, IDENTITY, output.folder, identity.folder)


def _digest(store: Store, output: _Output, stored: StoredFile) -> str:
    """The sha256 of what lies there, or why there is none."""
    if stored.file not in output.objects:
        return "no object"
    try:
        with store.open(f"{output.folder}/{stored.file}") as stream:
            return _sha256(stream)
    except FileNotFoundError:
        return "no object"
    except OSError as error:
        return f"an unreadable file ({error.strerror})"


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _damage(output: _Output, name: str, expected: str, found: str) -> str:
    return str(DamagedOutput(output.stage, output.fingerprint, name, expected, found))


def outputs(store: Store) -> Iterator[_Output]:
    """Every stage folder of the store, from one listing."""
    found: dict[tuple[str, str], dict[str, ObjectInfo]] = {}
    for info in store.list():
        if match := STAGE_FOLDER.fullmatch(info.key):
            found.setdefault((match["stage"], match["fingerprint"]), {})[match["name"]] = info
    for (stage, fingerprint), objects in sorted(found.items()):
        yield _Output(stage, fingerprint, objects)


def garbage(
    store: Store, keep: Collection[str] | None = None, *, older_than: timedelta = LEFTOVER_AGE
) -> list[ObjectInfo]:
    """Objects no kept output needs.

    They are orphans everywhere, old remains of interrupted writes and, when `keep` names fingerprints, whole other
    outputs. Kept are the named outputs and everything they are made from, finished or not; without `keep` all are.
    A kept output that is unfinished loses nothing, since somebody may be at work on it. Raises `DamagedOutput` where
    a manifest cannot be read, because nobody knows what that output needs, and `ValueError` when `keep` names nothing
    that is here.
    """
    found = list(outputs(store))
    manifests = {output.fingerprint: find_manifest(store, output.stage, output.fingerprint) for output in found}
    if keep and not manifests.keys() & set(keep):
        raise ValueError(f"none of the outputs to keep is in {store.url}: {sorted(keep)[:5]}")
    needed = set(manifests) if keep is None else _closure(store, keep, found, manifests)
    unwanted: list[ObjectInfo] = []
    for output in found:
        if output.fingerprint in needed:
            unwanted += _loose(output, manifests[output.fingerprint])
        else:
            unwanted += output.objects.values()
    return unwanted + list(store.leftovers(older_than))


def delete_all(store: Store, objects: Sequence[ObjectInfo]) -> None:
    """Delete the objects, manifests first, so that an interrupted deletion leaves no output that looks finished."""
    first = [info for info in objects if info.key.endswith(f"/{MANIFEST}")]
    rest = [info for info in objects if not info.key.endswith(f"/{MANIFEST}")]
    with ThreadPoolExecutor(PARALLEL) as pool:
        for part in (first, rest):
            list(pool.map(lambda info: store.delete(info.key), part))


def _closure(
    store: Store, keep: Collection[str], found: Sequence[_Output], manifests: dict[str, Manifest | None]
) -> set[str]:
    by_fingerprint = {output.fingerprint: output for output in found}
    needed: set[str] = set()
    waiting = list(keep)
    while waiting:
        fingerprint = waiting.pop()
        if fingerprint in needed:
            continue
        needed.add(fingerprint)
        if fingerprint in by_fingerprint:
            waiting += _upstream(store, by_fingerprint[fingerprint], manifests[fingerprint])
    return needed


def _upstream(store: Store, output: _Output, manifest: Manifest | None) -> list[str]:
    """What an output is made from: its manifest says so or, while it is unfinished, its declaration."""
    if manifest is not None:
        return list(manifest.upstream.values())
    if IDENTITY not in output.objects:
        return []
    if fault := _identity_fault(store, output):
        raise DamagedOutput(output.stage, output.fingerprint, IDENTITY, "a StageIdentity", fault)
    return list(StageIdentity.model_validate_json(store.read(f"{output.folder}/{IDENTITY}")).upstream.values())


def _loose(output: _Output, manifest: Manifest | None) -> list[ObjectInfo]:
    if manifest is None:
        return []
    known = {stored.file for stored in manifest.every_file()} | {MANIFEST, IDENTITY}
    known |= {f"shard-{record.index:06d}.json" for record in manifest.shards}
    return [info for name, info in output.objects.items() if name not in known]
