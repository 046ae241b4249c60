"""The small JSON documents that make bytes at rest trustworthy: shard records and manifests."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from storage.errors import ConflictingOutput, InvalidDocument, MissingOutput

CONTENT_DIGEST_LENGTH = 20
SEVERAL = "several"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_bytes(self) -> bytes:
        """What is committed; raises `InvalidDocument` where it would not read back as this very document."""
        content = (self.model_dump_json(indent=1) + "\n").encode()
        said, read = self._plain(), type(self).model_validate_json(content)._plain()
        if lost := [name for name in said if said[name] != read.get(name)]:
            raise InvalidDocument(
                f"this {type(self).__name__} cannot be committed: {', '.join(lost)} would not read back as written; "
                "every number must be finite"
            )
        return content

    def _plain(self) -> dict[str, Any]:
        """As JSON would have it, but that a number which is not finite stays what it is."""
        plain: dict[str, Any] = json.loads(json.dumps(self.model_dump()))
        return plain


class StoredFile(_Document):
    """One committed file of an output: its role (`shard`, `catalog`, `adapter`, ...) and its content-named object."""

    name: str
    file: str
    bytes: int
    sha256: str


class RejectedSample(_Document):
    """An input that did not make it, and why."""

    id: str
    reason: str


# Folders of the outputs that something was made from, with the digest of what they held then. Left out where nobody
# said it, as in everything written before the field existed.
Inputs = Annotated[dict[str, str], Field(exclude_if=lambda inputs: not inputs)]


class ShardRecord(_Document):
    """The proof that one shard is finished. The first record put for an index wins."""

    index: int
    shard: StoredFile
    attachments: tuple[StoredFile, ...] = ()
    samples: int
    rejected: tuple[RejectedSample, ...] = ()
    summary: dict[str, Any] = {}
    inputs: Inputs = {}

    @property
    def name(self) -> str:
        """The object that holds this record."""
        return record_name(self.index)

    @property
    def files(self) -> tuple[StoredFile, ...]:
        return (self.shard, *self.attachments)


class Manifest(_Document):
    """The proof that an output is finished, and all that a reader needs to know of it."""

    stage: str
    version: int
    fingerprint: str
    recipe: dict[str, Any]
    upstream: dict[str, str]
    shards: tuple[ShardRecord, ...] = ()
    files: tuple[StoredFile, ...] = ()
    samples: int = 0
    rejected: int = 0
    summary: dict[str, Any] = {}
    inputs: Inputs = {}

    @property
    def folder(self) -> str:
        return f"{self.stage}/{self.fingerprint}"

    def file(self, name: str) -> StoredFile:
        """The committed file of that name; raises `MissingOutput` naming what there is."""
        for stored in self.files:
            if stored.name == name:
                return stored
        raise MissingOutput(f"{self.folder} holds no {name!r}, only {[stored.name for stored in self.files]}")

    def every_file(self) -> tuple[StoredFile, ...]:
        return (*(stored for record in self.shards for stored in record.files), *self.files)

    @cached_property
    def content_digest(self) -> str:
        """One digest of all files, so that two outputs of one fingerprint can be told apart by their bytes."""
        digest = hashlib.sha256()
        for stored in self.every_file():
            digest.update(f"{stored.file} {stored.sha256}\n".encode())
        return digest.hexdigest()[:CONTENT_DIGEST_LENGTH]


def record_name(index: int) -> str:
    return f"shard-{index:06d}.json"


def inputs_of(manifests: Sequence[Manifest]) -> Inputs:
    """What something made from these outputs, as they are now, remembers of them."""
    return {manifest.folder: manifest.content_digest for manifest in manifests}


def join_inputs(parts: Sequence[Inputs]) -> Inputs:
    """The inputs of a whole; where its parts were made from different bytes of one output, `SEVERAL` says so."""
    joined: Inputs = {}
    for part in parts:
        for folder, digest in part.items():
            joined[folder] = digest if joined.get(folder, digest) == digest else SEVERAL
    return {folder: joined[folder] for folder in sorted(joined)}


def merge_summaries(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up numbers leaf by leaf; what is not a number must be the same everywhere and is kept.

    Raises `ConflictingOutput` where it is not.
    """
    merged: dict[str, Any] = {}
    for summary in summaries:
        for key, value in summary.items():
            merged[key] = value if key not in merged else _merge_leaf(key, merged[key], value)
    return {key: merged[key] for key in sorted(merged)}


def _merge_leaf(key: str, left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        return merge_summaries([left, right])
    if _is_number(left) and _is_number(right):
        return left + right
    if left != right:
        raise ConflictingOutput(
            f"shards disagree on {key!r}: {left!r} and {right!r}; build all of them by the same means"
        )
    return left


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
