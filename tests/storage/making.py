"""Small stage outputs for the tests."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from storage.fingerprint import StageIdentity
from storage.output import ShardRange, StageOutput, plan_shards
from storage.records import Manifest, RejectedSample, ShardRecord
from storage.shards import ShardWriter
from storage.store import Store


def identity(seed: int = 0, stage: str = "ingest", **upstream: str) -> StageIdentity:
    return StageIdentity(stage=stage, version=1, recipe={"seed": seed}, upstream=upstream)


def build(output: StageOutput, shard: ShardRange) -> ShardRecord:
    """Build and commit one shard of tiny samples; object 3 is rejected wherever it occurs."""
    with tempfile.TemporaryDirectory() as scratch:
        tar, notes = Path(scratch) / "shard.tar", Path(scratch) / "notes.txt"
        with ShardWriter(tar) as writer:
            for number in range(shard.start, shard.stop):
                if number != 3:
                    told = (json.dumps({"number": number}) + "\n").encode()
                    writer.add(f"{number:06d}", {"json": told, "bin": bytes([number % 256]) * 900})
        notes.write_text(f"shard {shard.index}\n")
        rejected = [RejectedSample(id="3", reason="three")] if shard.start <= 3 < shard.stop else []
        return output.commit_shard(
            shard.index,
            tar,
            writer.samples,
            rejected=rejected,
            summary={"splits": {"train": writer.samples}},
            attachments={"notes": notes},
        )


def finish(output: StageOutput, plan: Sequence[ShardRange]) -> Manifest:
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "anything.json"
        table.write_text(json.dumps({"shards": len(plan)}))
        return output.commit_manifest(plan, files={"table": table})


def make_output(store: Store, who: StageIdentity | None = None, items: int = 20, size: int = 4) -> Manifest:
    output, plan = StageOutput(store, who or identity()), plan_shards(items, size)
    for shard in output.missing(plan):
        build(output, shard)
    return finish(output, plan)


def contents(store: Store) -> dict[str, bytes]:
    """Every visible object of a store."""
    return {info.key: store.read(info.key) for info in store.list()}
