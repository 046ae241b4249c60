"""The commit protocol: build locally, publish under a name that holds the digest, record if absent, manifest last.

No locks: two workers may build the same shard, the first record wins, and the other's file is an orphan for `gc`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from storage.errors import ConflictingOutput, DamagedOutput, MissingOutput
from storage.fingerprint import StageIdentity
from storage.records import (
    Manifest,
    RejectedSample,
    ShardRecord,
    StoredFile,
    inputs_of,
    join_inputs,
    merge_summaries,
    record_name,
)
from storage.store import ObjectInfo, Store

MANIFEST = "manifest.json"
IDENTITY = "identity.json"
RECORD = re.compile(r"shard-(\d{6,})\.json")
PARALLEL_READS = 16
PARALLEL_LISTINGS = 4

_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
D = TypeVar("D", bound=BaseModel)


@dataclass(frozen=True)
class ShardRange:
    """The half-open range of input positions that one shard covers."""

    index: int
    start: int
    stop: int


def plan_shards(items: int, shard_size: int) -> tuple[ShardRange, ...]:
    """Cut `items` inputs into shards of `shard_size`; depends on nothing else, so any worker plans the same."""
    if shard_size < 1:
        raise ValueError(f"a shard needs room for at least one sample, not {shard_size}")
    starts = range(0, items, shard_size)
    return tuple(ShardRange(index, start, min(start + shard_size, items)) for index, start in enumerate(starts))


@dataclass(frozen=True)
class StageOutput:
    """Where one stage with one identity puts its shards and files."""

    store: Store
    identity: StageIdentity
    # Records as they were when last read, each with the version of its object.
    _known: dict[str, tuple[str, ShardRecord]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def folder(self) -> str:
        return self.identity.folder

    def manifest(self) -> Manifest | None:
        return find_manifest(self.store, self.identity.stage, self.identity.fingerprint)

    def declare(self) -> None:
        """Say what the folder is before it is finished, so that `gc` spares what an unfinished output reads."""
        key, content = f"{self.folder}/{IDENTITY}", self.identity.to_bytes()
        try:
            found = self.store.read(key)
        except FileNotFoundError:
            found = content if self.store.put_if_absent(key, content) else self.store.read(key)
        if found != content:
            raise ConflictingOutput(f"{key} describes another recipe than the one being run; remove {self.folder}")

    def committed(self, starting: str = "shard-") -> frozenset[int]:
        """Indices of the finished shards, from one listing of the names that start so."""
        names = (info.key.rpartition("/")[2] for info in self.store.list(self.folder, starting))
        return frozenset(int(match[1]) for name in names if (match := RECORD.fullmatch(name)))

    def missing(self, plan: Sequence[ShardRange]) -> list[ShardRange]:
        """The planned shards without a record; a large plan is listed in up to ten parts at once."""
        digits = max(3, len(str(max((shard.index for shard in plan), default=0))) - 1)
        parts = sorted({f"shard-{shard.index:06d}"[:-digits] for shard in plan})
        with ThreadPoolExecutor(PARALLEL_LISTINGS) as pool:
            done = frozenset[int]().union(*pool.map(self.committed, parts))
        return [shard for shard in plan if shard.index not in done]

    def commit_shard(
        self,
        index: int,
        tar: Path,
        samples: int,
        *,
        rejected: Sequence[RejectedSample] = (),
        summary: Mapping[str, Any] | None = None,
        attachments: Mapping[str, Path] | None = None,
        inputs: Sequence[Manifest] = (),
    ) -> ShardRecord:
        """Publish a finished shard; returns the record that counts, which may be a faster twin's.

        `inputs` are the outputs it was made from, as they were read.
        """
        self.declare()
        stem = f"shard-{index:06d}"
        record = ShardRecord(
            index=index,
            shard=self._publish(tar, "shard", stem),
            attachments=tuple(
                self._publish(path, name, f"{name}-{index:06d}") for name, path in sorted((attachments or {}).items())
            ),
            samples=samples,
            rejected=tuple(rejected),
            summary=dict(summary or {}),
            inputs=inputs_of(inputs),
        )
        if self.store.put_if_absent(f"{self.folder}/{record.name}", record.to_bytes()):
            return record
        return read_record(self.store, self.identity.stage, self.identity.fingerprint, index)

    def commit_manifest(
        self,
        plan: Sequence[ShardRange] = (),
        files: Mapping[str, Path] | None = None,
        summary: Mapping[str, Any] | None = None,
        inputs: Sequence[Manifest] = (),
    ) -> Manifest:
        """Declare the output finished; raises what `records` raises.

        `inputs` are the outputs it was made from, as they were read. Where the output is finished already, its
        manifest counts and nothing is published.
        """
        if finished := self.manifest():
            return finished
        self.declare()
        records = self.records(plan)
        manifest = Manifest(
            stage=self.identity.stage,
            version=self.identity.version,
            fingerprint=self.identity.fingerprint,
            recipe=self.identity.recipe,
            upstream=self.identity.upstream,
            shards=records,
            files=tuple(self._publish(path, name, name) for name, path in sorted((files or {}).items())),
            samples=sum(record.samples for record in records),
            rejected=sum(len(record.rejected) for record in records),
            summary=merge_summaries([*(record.summary for record in records), dict(summary or {})]),
            inputs=join_inputs([*(record.inputs for record in records), inputs_of(inputs)]),
        )
        if self.store.put_if_absent(f"{self.folder}/{MANIFEST}", manifest.to_bytes()):
            return manifest
        return load_manifest(self.store, self.identity.stage, self.identity.fingerprint)

    def records(self, plan: Sequence[ShardRange]) -> tuple[ShardRecord, ...]:
        """The records of all planned shards, in order, as they are now: a repair may have replaced some.

        Raises `MissingOutput` naming those that lack one, `DamagedOutput` where a file that one promises is not there.
        """
        if not plan:
            return ()
        objects = {info.key.removeprefix(f"{self.folder}/"): info for info in self.store.list(self.folder)}
        lacking = [shard.index for shard in plan if record_name(shard.index) not in objects]
        if lacking:
            raise MissingOutput(
                f"{self.folder}: shards {lacking[:10]} of {len(plan)} are not built yet; run the stage again"
            )
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            records = tuple(pool.map(lambda shard: self._record(shard.index, objects), plan))
        for record in records:
            self._require_files(record, objects)
        return records

    def _record(self, index: int, objects: Mapping[str, ObjectInfo]) -> ShardRecord:
        name = record_name(index)
        version, known = self._known.get(name, ("", None))
        if known is None or version != objects[name].version:
            known = read_record(self.store, self.identity.stage, self.identity.fingerprint, index)
            self._known[name] = (objects[name].version, known)
        return known

    def _require_files(self, record: ShardRecord, objects: Mapping[str, ObjectInfo]) -> None:
        for stored in record.files:
            there = objects.get(stored.file)
            if there is None or there.size != stored.bytes:
                expected, found = f"{stored.bytes} bytes", "no object" if there is None else f"{there.size} bytes"
                raise DamagedOutput(self.identity.stage, self.identity.fingerprint, stored.file, expected, found)

    def _publish(self, path: Path, name: str, stem: str) -> StoredFile:
        if not _ROLE.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a committed file; use letters, digits, dots and dashes")
        sha256 = file_sha256(path)
        file = f"{stem.removesuffix(path.suffix)}.{sha256[:12]}{path.suffix}"
        self.store.put_file(path, f"{self.folder}/{file}")
        return StoredFile(name=name, file=file, bytes=path.stat().st_size, sha256=sha256)


def read_record(store: Store, stage: str, fingerprint: str, index: int) -> ShardRecord:
    """The record of a shard; raises `FileNotFoundError` or, where it is not that shard's record, `DamagedOutput`."""
    name = record_name(index)
    record = _document(store, stage, fingerprint, name, ShardRecord)
    if record.index != index:
        raise DamagedOutput(stage, fingerprint, name, f"the record of shard {index}", f"that of {record.index}")
    return record


def read_identity(store: Store, stage: str, fingerprint: str) -> StageIdentity:
    """What an output says it is; raises `FileNotFoundError` or, where it says something else, `DamagedOutput`."""
    identity = _document(store, stage, fingerprint, IDENTITY, StageIdentity)
    if identity.folder != f"{stage}/{fingerprint}":
        raise DamagedOutput(stage, fingerprint, IDENTITY, f"that of {stage}/{fingerprint}", identity.folder)
    return identity


def find_manifest(store: Store, stage: str, fingerprint: str) -> Manifest | None:
    """The manifest of a finished output, or None; raises `DamagedOutput` where it is not that output's manifest."""
    try:
        manifest = _document(store, stage, fingerprint, MANIFEST, Manifest)
    except FileNotFoundError:
        return None
    if (manifest.stage, manifest.fingerprint) != (stage, fingerprint):
        raise DamagedOutput(
            stage, fingerprint, MANIFEST, f"the manifest of {stage}/{fingerprint}", f"that of {manifest.folder}"
        )
    return manifest


def load_manifest(store: Store, stage: str, fingerprint: str) -> Manifest:
    manifest = find_manifest(store, stage, fingerprint)
    if manifest is None:
        raise MissingOutput(f"{stage}/{fingerprint} is not finished in {store.url}; run `opendlign {stage}` first")
    return manifest


def _document(store: Store, stage: str, fingerprint: str, name: str, model: type[D]) -> D:
    content = store.read(f"{stage}/{fingerprint}/{name}")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        expected, found = f"a {model.__name__}", f"{len(content)} bytes of something else"
        raise DamagedOutput(stage, fingerprint, name, expected, found) from error


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
