"""What the store costs: planning and closing an output of many shards, and moving bytes, in a folder and on S3.

The S3 server is moto on loopback, a single Python process that shares these cores; a real one answers in parallel.
"""

import argparse
import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from storage.fetch import Fetcher
from storage.fingerprint import StageIdentity
from storage.local import LocalStore
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import ShardRecord, StoredFile
from storage.s3 import S3Store
from storage.settings import Settings
from storage.shards import ShardWriter
from storage.store import Store
from tests.servers import S3_KEY, S3_SECRET, s3_server

SHARDS, QUICK = 10_000, 200
IDENTITY = StageIdentity(stage="ingest", version=1, recipe={})
RESULTS = Path(__file__).parent / "results" / "storage.json"


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def fill(output: StageOutput, shards: int) -> None:
    """Put what `shards` committed shards leave: a (here empty) tar and a record each."""

    def put(index: int) -> None:
        file = f"shard-{index:06d}.{hashlib.sha256(str(index).encode()).hexdigest()[:12]}.tar"
        stored = StoredFile(name="shard", file=file, bytes=0, sha256="0" * 64)
        record = ShardRecord(index=index, shard=stored, samples=1000, summary={"splits": {"train": 1000}})
        output.store.put_if_absent(f"{output.folder}/{file}", b"")
        output.store.put_if_absent(f"{output.folder}/shard-{index:06d}.json", record.to_bytes())

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(shards)))


def planning(store: Store, shards: int) -> dict[str, Any]:
    """Look at a filled output: what is missing, closing it, reading its manifest."""
    plan = plan_shards(shards * 1000, 1000)
    planned = min(seconds(lambda: StageOutput(store, IDENTITY).missing(plan)) for _ in range(3))
    check = seconds(lambda: [store.exists(f"{IDENTITY.folder}/shard-{at:06d}.json") for at in range(50)]) / 50
    closed = seconds(lambda: StageOutput(store, IDENTITY).commit_manifest(plan))
    opened = seconds(lambda: StageOutput(store, IDENTITY).manifest())
    return {
        "shards": shards,
        "plan_seconds": round(planned, 3),
        "faster_than_one_existence_check_per_shard": round(check * shards / planned, 1),
        "commit_manifest_seconds": round(closed, 2),
        "load_manifest_seconds": round(opened, 3),
    }


def moving(store: Store, scratch: Path, samples: int, size: int) -> dict[str, Any]:
    """Commit one shard of random bytes, read it back in order, with and without hashing."""
    store.exists("warm-up")  # opening the connection is no part of the rate
    tar = scratch / "shard.tar"
    payload = os.urandom(size)
    with ShardWriter(tar) as writer:
        for number in range(samples):
            writer.add(f"{number:06d}", {"bin": payload, "json": b"{}\n"})
    output = StageOutput(store, StageIdentity(stage="project", version=1, recipe={}))
    committed = seconds(lambda: output.commit_shard(0, tar, samples))
    manifest = output.commit_manifest(plan_shards(samples, samples))
    megabytes = tar.stat().st_size / 1e6

    def rate(read: Callable[[SampleReader], object], verify: bool) -> float:
        with SampleReader(store, manifest, verify=verify) as reader:
            return round(megabytes / seconds(lambda: read(reader)), 1)

    with Fetcher(store) as fetcher:
        fetched = seconds(lambda: fetcher.path(manifest, manifest.shards[0].shard))
    return {
        "megabytes": round(megabytes, 1),
        "commit_megabytes_per_second": round(megabytes / committed, 1),
        "fetch_and_hash_megabytes_per_second": round(megabytes / fetched, 1),
        "read_megabytes_per_second": rate(lambda reader: sum(1 for _ in reader), True),
        "read_unverified_megabytes_per_second": rate(lambda reader: sum(1 for _ in reader), False),
    }


def measure(store: Store, scratch: Path, quick: bool) -> dict[str, Any]:
    moved = moving(store, scratch, 50 if quick else 400, 100_000)
    return {"planning": planning(store, QUICK if quick else SHARDS), "moving": moved}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 shards instead of 10,000; writes no result file")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        results = run(scratch, quick)
    text = json.dumps(results, indent=1) + "\n"
    print(text)
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text)


def run(scratch: Path, quick: bool) -> dict[str, Any]:
    local = LocalStore(scratch / "buckets" / "bench")
    filled = seconds(lambda: fill(StageOutput(local, IDENTITY), QUICK if quick else SHARDS))
    with s3_server(preload=scratch / "buckets") as server:
        settings = Settings(
            s3_endpoint=server.url,
            s3_key=SecretStr(S3_KEY),
            s3_secret=SecretStr(S3_SECRET),
            s3_region="us-east-1",
        )
        return {
            "machine": f"{os.cpu_count()}-core {platform.machine()}",
            "versions": {name: version(name) for name in ("s3fs", "moto", "pydantic")},
            "python": platform.python_version(),
            "load_average_at_start": round(os.getloadavg()[0], 1),
            "committing_a_small_shard_locally_milliseconds": round(filled / (QUICK if quick else SHARDS) * 1e3, 2),
            "local": measure(local, scratch, quick),
            "s3": measure(S3Store("s3://bench", settings), scratch, quick),
        }


if __name__ == "__main__":
    main()
