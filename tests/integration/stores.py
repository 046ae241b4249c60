"""What the tests look at in a store: which shards are committed, whether one was rebuilt, whether two stores agree."""

import hashlib
import json

from storage.local import LocalStore
from storage.output import RECORD
from storage.store import Store

DETERMINISTIC = ("ingest", "project", "synthesize")
"""Stages whose every byte follows from their recipe on any machine."""


def contents(store: Store, *stages: str) -> dict[str, str]:
    """Digest of every object of the named stages, by key."""
    return {
        info.key: hashlib.sha256(store.read(info.key)).hexdigest()
        for stage in stages or DETERMINISTIC
        for info in store.list(stage)
    }


def records(store: Store, stage: str) -> list[str]:
    """Keys of the records of finished shards."""
    return [info.key for info in store.list(stage) if RECORD.fullmatch(info.key.rpartition("/")[2])]


def finished(store: Store, stage: str) -> bool:
    return any(info.key.endswith("/manifest.json") for info in store.list(stage))


def shard_files(store: Store, *stages: str) -> list[str]:
    """Keys of the tars of the finished shards."""
    found = [record for stage in stages or DETERMINISTIC for record in records(store, stage)]
    return [f"{record.rpartition('/')[0]}/{json.loads(store.read(record))['shard']['file']}" for record in found]


def marks(store: LocalStore, *stages: str) -> dict[str, tuple[int, int]]:
    """What tells a shard's file from a rebuilt one with the same bytes: publishing makes a new file."""
    status = {key: store.path(key).stat() for key in shard_files(store, *stages)}
    return {key: (found.st_ino, found.st_mtime_ns) for key, found in status.items()}


def copy_stages(source: LocalStore, target: Store, *stages: str) -> None:
    """Give a store the outputs that another one has."""
    for stage in stages:
        for info in source.list(stage):
            target.put_file(source.path(info.key), info.key)
