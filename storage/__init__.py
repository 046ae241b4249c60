"""Bytes at rest: stores, fingerprints, the commit protocol, shards, readers, the catalog and their upkeep.

The names below are what the rest of the product uses; each is imported when first asked for, so that a console
command that only needs the settings does not pay for Parquet.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storage.catalog import join_catalogs, read_catalog, write_catalog
    from storage.collect import delete_all, garbage
    from storage.errors import (
        ConflictingOutput,
        DamagedOutput,
        MissingOutput,
        StorageError,
        StoreFull,
        StoreUnavailable,
    )
    from storage.fetch import Fetcher
    from storage.fingerprint import StageIdentity
    from storage.local import LocalStore
    from storage.output import ShardRange, StageOutput, find_manifest, load_manifest, plan_shards
    from storage.reader import Consumer, SampleReader, ShuffledReader
    from storage.records import Manifest, RejectedSample, ShardRecord, StoredFile
    from storage.s3 import S3Store
    from storage.settings import Settings, get_settings
    from storage.shards import Sample, ShardFile, ShardWriter, encode_array, encode_json, object_id, sample_key
    from storage.stores import ObjectInfo, Store, open_store
    from storage.upkeep import Health, verify_store

_HOMES = {
    "catalog": ("join_catalogs", "read_catalog", "write_catalog"),
    "collect": ("delete_all", "garbage"),
    "errors": ("ConflictingOutput", "DamagedOutput", "MissingOutput", "StorageError", "StoreFull", "StoreUnavailable"),
    "fetch": ("Fetcher",),
    "fingerprint": ("StageIdentity",),
    "local": ("LocalStore",),
    "output": ("ShardRange", "StageOutput", "find_manifest", "load_manifest", "plan_shards"),
    "reader": ("Consumer", "SampleReader", "ShuffledReader"),
    "records": ("Manifest", "RejectedSample", "ShardRecord", "StoredFile"),
    "s3": ("S3Store",),
    "settings": ("Settings", "get_settings"),
    "shards": ("Sample", "ShardFile", "ShardWriter", "encode_array", "encode_json", "object_id", "sample_key"),
    "stores": ("ObjectInfo", "Store", "open_store"),
    "upkeep": ("Health", "verify_store"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ConflictingOutput",
    "Consumer",
    "DamagedOutput",
    "Fetcher",
    "Health",
    "LocalStore",
    "Manifest",
    "MissingOutput",
    "ObjectInfo",
    "RejectedSample",
    "S3Store",
    "Sample",
    "SampleReader",
    "Settings",
    "ShardFile",
    "ShardRange",
    "ShardRecord",
    "ShardWriter",
    "ShuffledReader",
    "StageIdentity",
    "StageOutput",
    "StorageError",
    "Store",
    "StoreFull",
    "StoreUnavailable",
    "StoredFile",
    "delete_all",
    "encode_array",
    "encode_json",
    "find_manifest",
    "garbage",
    "get_settings",
    "join_catalogs",
    "load_manifest",
    "object_id",
    "open_store",
    "plan_shards",
    "read_catalog",
    "sample_key",
    "verify_store",
    "write_catalog",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'storage' has no attribute {name!r}")
    return getattr(importlib.import_module(f"storage.{_MODULE_OF[name]}"), name)
