"""The commit protocol: build locally, publish under a name that holds the digest, record if absent, manifest last.

No locks: two workers may build the same shard, the first record wins, and the other's file is an orphan for `gc`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import ConflictingOutput, MissingOutput
from storage.fingerprint import StageIdentity
from storage.records import Manifest, RejectedSample, ShardRecord, StoredFile, merge_summaries
from storage.stores import Store

MANIFEST = "manifest.json"
_RECORD = re.compile(r"shard-(\d{6})\.json")


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

    @property
    def folder(self) -> str:
        return self.identity.folder

    def manifest(self) -> Manifest | None:
        return find_manifest(self.store, self.identity.stage, self.identity.fingerprint)

    def committed(self) -> frozenset[int]:
        """Indices of the finished shards, from one listing."""
        names = (info.key.rpartition("/")[2] for info in self.store.list(self.folder))
        return frozenset(int(match[1]) for name in names if (match := _RECORD.fullmatch(name)))

    def missing(self, plan: Sequence[ShardRange]) -> list[ShardRange]:
        done = self.committed()
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
    ) -> ShardRecord:
        """Publish a finished shard; returns the record that counts, which may be a faster twin's."""
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
        )
        key = f"{self.folder}/{stem}.json"
        if self.store.put_if_absent(key, record.to_bytes()):
            return record
        return ShardRecord.model_validate_json(self.store.read(key))

    def commit_manifest(
        self,
        plan: Sequence[ShardRange] = (),
        files: Mapping[str, Path] | None = None,
        summary: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """Declare the output finished; raises `MissingOutput` while a planned shard has no record."""
        records = self.records(plan)
        manifest = Manifest(
            stage=self.identity.stage,
            version=self.identity.version,
            fingerprint=self.identity.fingerprint,
            recipe=self.identity.recipe,
            upstream=self.identity.upstream,
            shards=records,
            files=tuple(self._publish(path, name, path.stem) for name, path in sorted((files or {}).items())),
            samples=sum(record.samples for record in records),
            rejected=sum(len(record.rejected) for record in records),
            summary=merge_summaries([*(record.summary for record in records), dict(summary or {})]),
        )
        if self.store.put_if_absent(f"{self.folder}/{MANIFEST}", manifest.to_bytes()):
            return manifest
        return load_manifest(self.store, self.identity.stage, self.identity.fingerprint)

    def records(self, plan: Sequence[ShardRange]) -> tuple[ShardRecord, ...]:
        """The records of all planned shards, in order; raises `MissingOutput` naming those that lack one."""
        lacking = [shard.index for shard in self.missing(plan)] if plan else []
        if lacking:
            raise MissingOutput(
                f"{self.folder}: shards {lacking[:10]} of {len(plan)} are not built yet; run the stage again"
            )
        keys = (f"{self.folder}/shard-{shard.index:06d}.json" for shard in plan)
        return tuple(ShardRecord.model_validate_json(self.store.read(key)) for key in keys)

    def _publish(self, path: Path, name: str, stem: str) -> StoredFile:
        sha256 = file_sha256(path)
        file = f"{stem}.{sha256[:12]}{path.suffix}"
        self.store.put_file(path, f"{self.folder}/{file}")
        return StoredFile(name=name, file=file, bytes=path.stat().st_size, sha256=sha256)


def find_manifest(store: Store, stage: str, fingerprint: str) -> Manifest | None:
    """The manifest of a finished output, or None. One whose fingerprint does not match its folder is a conflict."""
    try:
        manifest = Manifest.model_validate_json(store.read(f"{stage}/{fingerprint}/{MANIFEST}"))
    except FileNotFoundError:
        return None
    if manifest.fingerprint != fingerprint:
        raise ConflictingOutput(
            f"{stage}/{fingerprint} holds the manifest of {manifest.fingerprint}; remove that folder"
        )
    return manifest


def load_manifest(store: Store, stage: str, fingerprint: str) -> Manifest:
    manifest = find_manifest(store, stage, fingerprint)
    if manifest is None:
        raise MissingOutput(f"{stage}/{fingerprint} is not finished in {store.url}; run `opendlign {stage}` first")
    return manifest


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
