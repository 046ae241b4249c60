"""One look at an output: what its documents say, which of its objects are damaged, which could not be read.

Documents are read in the order manifest, records, files, the reverse of the order in which a writer puts them: what
the manifest promises was there before it, so a writer at work never looks like damage.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

from storage.errors import DamagedOutput, StorageError
from storage.fetch import BLOCK
from storage.inventory import Output
from storage.output import IDENTITY, MANIFEST, RECORD, find_manifest, read_identity, read_record
from storage.records import Manifest, ShardRecord, StoredFile
from storage.store import Store

T = TypeVar("T")
OnFile = Callable[[StoredFile], None]


@dataclass
class Findings:
    """What one look found; `damaged` and `unread` map the names of objects to a sentence."""

    manifest: Manifest | None = None
    records: dict[str, ShardRecord] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[StoredFile]:
        """Every file that a reader may ask for, each once."""
        promised = [*(self.manifest.every_file() if self.manifest else ())]
        promised += (stored for record in self.records.values() for stored in record.files)
        return list(dict.fromkeys(promised))

    @property
    def suspects(self) -> set[str]:
        return {*self.damaged, *self.unread}


def examine(
    store: Store,
    output: Output,
    pool: ThreadPoolExecutor,
    *,
    only: Collection[str] | None = None,
    on_file: OnFile | None = None,
) -> Findings:
    """Read all documents of an output and hash its files, or only those of these names."""
    look = _Look(store, output, pool)
    look.read_documents()
    look.hash_files([stored for stored in look.findings.files if only is None or stored.file in only], on_file)
    return look.findings


class _Look:
    def __init__(self, store: Store, output: Output, pool: ThreadPoolExecutor) -> None:
        self.findings = Findings()
        self._store = store
        self._output = output
        self._pool = pool

    def read_documents(self) -> None:
        stage, fingerprint = self._output.stage, self._output.fingerprint
        manifest = self._attempt(MANIFEST, lambda: find_manifest(self._store, stage, fingerprint))
        self.findings.manifest = manifest
        names = {name for name in self._output.objects if RECORD.fullmatch(name)}
        names |= {record.name for record in manifest.shards} if manifest else set()
        ordered = sorted(names)
        for name, record in zip(ordered, self._pool.map(self._record, ordered), strict=True):
            if record is not None:
                self.findings.records[name] = record
        self._compare(manifest.shards if manifest else ())
        self._attempt(IDENTITY, lambda: read_identity(self._store, stage, fingerprint))

    def _record(self, name: str) -> ShardRecord | None:
        stage, fingerprint = self._output.stage, self._output.fingerprint
        return self._attempt(name, lambda: read_record(self._store, stage, fingerprint, int(name[6:-5])))

    def _compare(self, promised: Iterable[ShardRecord]) -> None:
        """A manifest repeats its shards' records; one that was made from other records must be made again."""
        for record in promised:
            if record.name not in self.findings.suspects and self.findings.records.get(record.name) != record:
                found = "another record" if record.name in self.findings.records else "no record"
                self._note_damage(MANIFEST, f"{record.name} as the manifest repeats it", found)

    def hash_files(self, files: Collection[StoredFile], on_file: OnFile | None) -> None:
        for stored, found in zip(files, self._pool.map(self._digest, files), strict=True):
            if on_file is not None:
                on_file(stored)
            if stored.file not in self.findings.unread and found != stored.sha256:
                self._note_damage(stored.file, f"sha256 {stored.sha256}", found or "no object")

    def _digest(self, stored: StoredFile) -> str | None:
        def digest() -> str:
            with self._store.open(f"{self._output.folder}/{stored.file}") as stream:
                return _sha256(stream)

        return self._attempt(stored.file, digest)

    def _attempt(self, name: str, read: Callable[[], T]) -> T | None:
        """What `read` gives; None where there is nothing, damage, or no telling, the last two being noted."""
        try:
            return read()
        except FileNotFoundError:
            return None
        except DamagedOutput as error:
            self.findings.damaged[name] = error.fact
        except (OSError, StorageError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            self.findings.unread[name] = f"{self._output.folder}: {name} could not be read: {reason}"
        return None

    def _note_damage(self, name: str, expected: str, found: str) -> None:
        fact = DamagedOutput(self._output.stage, self._output.fingerprint, name, expected, found).fact
        self.findings.damaged[name] = fact


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
