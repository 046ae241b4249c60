"""Care of a store: re-hash everything, remove what is damaged so that it is rebuilt."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO

from pydantic import ValidationError

from storage.errors import DamagedOutput
from storage.fetch import BLOCK
from storage.fingerprint import StageIdentity
from storage.output import IDENTITY, MANIFEST, RECORD, find_manifest, read_record
from storage.records import Manifest, ShardRecord, StoredFile
from storage.stores import ObjectInfo, Store

STAGE_FOLDER = re.compile(r"(?P<stage>[a-z][a-z-]*)/(?P<fingerprint>[0-9a-f]{20})/(?P<name>[^/]+)")
PARALLEL = 8


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
class Output:
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
    output: Output,
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


def _drop_damaged(store: Store, output: Output, documents: _Documents, bad: set[str], health: Health) -> None:
    """The manifest goes first: while it stands, the stage would not look at its shards again."""
    records = [name for name, record in documents.records.items() if bad & {stored.file for stored in record.files}]
    unwanted = [MANIFEST, *sorted({*documents.broken} - {MANIFEST}), *records, *sorted(bad)]
    for name in unwanted:
        if name in output.objects:
            store.delete(f"{output.folder}/{name}")
            health.repaired.append(f"{output.folder}/{name}")


def _documents(store: Store, output: Output, pool: ThreadPoolExecutor) -> _Documents:
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
        documents.broken[MANIFEST] = error.fact
    if documents.manifest is not None:
        _compare(output, documents.manifest, documents)
    if reason := identity_fault(store, output):
        documents.broken[IDENTITY] = reason
    return documents


def _compare(output: Output, manifest: Manifest, documents: _Documents) -> None:
    """A manifest repeats its shards' records; one that was made from other records must be made again."""
    for record in manifest.shards:
        name = f"shard-{record.index:06d}.json"
        if name not in documents.broken and documents.records.get(name) != record:
            found = "another record" if name in documents.records else "no record"
            documents.broken[MANIFEST] = _damage(output, MANIFEST, f"{name} as the manifest repeats it", found)


def _record(store: Store, output: Output, name: str) -> ShardRecord | str:
    """The record of that name, or why it is none."""
    try:
        return read_record(store, output.stage, output.fingerprint, int(name[6:-5]))
    except DamagedOutput as error:
        return error.fact
    except FileNotFoundError as error:
        return str(error)


def identity_fault(store: Store, output: Output) -> str:
    if IDENTITY not in output.objects:
        return ""
    try:
        identity = StageIdentity.model_validate_json(store.read(f"{output.folder}/{IDENTITY}"))
    except ValidationError:
        return _damage(output, IDENTITY, "a StageIdentity", "something else")
    return "" if identity.folder == output.folder else _damage(output, IDENTITY, output.folder, identity.folder)


def _digest(store: Store, output: Output, stored: StoredFile) -> str:
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


def _damage(output: Output, name: str, expected: str, found: str) -> str:
    return DamagedOutput(output.stage, output.fingerprint, name, expected, found).fact


def loose(output: Output, manifest: Manifest | None) -> list[ObjectInfo]:
    """What a finished output does not need; of an unfinished one nobody can tell, a record may be on its way."""
    if manifest is None:
        return []
    known = {stored.file for stored in manifest.every_file()} | {MANIFEST, IDENTITY}
    known |= {f"shard-{record.index:06d}.json" for record in manifest.shards}
    return [info for name, info in output.objects.items() if name not in known]


def outputs(store: Store) -> Iterator[Output]:
    """Every stage folder of the store, from one listing."""
    return outputs_among(store.list())


def outputs_among(listing: Iterable[ObjectInfo]) -> Iterator[Output]:
    """The stage folders of a listing."""
    found: dict[tuple[str, str], dict[str, ObjectInfo]] = {}
    for info in listing:
        if match := STAGE_FOLDER.fullmatch(info.key):
            found.setdefault((match["stage"], match["fingerprint"]), {})[match["name"]] = info
    for (stage, fingerprint), objects in sorted(found.items()):
        yield Output(stage, fingerprint, objects)
