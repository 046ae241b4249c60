"""What the shard stages share: plan from one listing, build what is missing, commit, note the time it took."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from opendlign_core.errors import BadInput
from opendlign_core.samples import Meta, TypedSample
from storage.collect import Beside
from storage.output import ShardRange, StageOutput
from storage.records import Manifest, RejectedSample, ShardRecord
from storage.shards import ShardWriter
from storage.store import Store

TIMINGS = Beside("timings")
"""Notes of what each shard cost."""

# Prefect keeps one row per task run and its server settles some twenty a second; beyond this, shards share a task run.
MOST_TASK_RUNS = 200

# Too few samples say nothing about a share; below this count a stage may lose samples without failing.
SMALL_STAGE = 20


class TooManyRejected(BadInput):
    """More samples were rejected than the execution allows; what was built stays, the manifest is withheld."""


@dataclass(frozen=True)
class StagePlan:
    """What a stage has and what it lacks, as one listing of the store told."""

    output: StageOutput
    shards: tuple[ShardRange, ...]
    manifest: Manifest | None
    missing: tuple[ShardRange, ...]

    @classmethod
    def look(cls, output: StageOutput, shards: Sequence[ShardRange]) -> "StagePlan":
        manifest = output.manifest()
        missing = () if manifest is not None else tuple(output.missing(shards))
        return cls(output, tuple(shards), manifest, missing)

    def part(self, index: int, count: int) -> tuple[ShardRange, ...]:
        """The missing shards that worker `index` of `count` takes."""
        return tuple(shard for shard in self.missing if shard.index % count == index)


def follow_shards(upstream: Manifest) -> tuple[ShardRange, ...]:
    """A plan with one shard for each shard of the output it reads."""
    ends = list(accumulate(record.samples for record in upstream.shards))
    records = zip(upstream.shards, ends, strict=True)
    return tuple(ShardRange(record.index, end - record.samples, end) for record, end in records)


def split_work(missing: Sequence[ShardRange]) -> list[tuple[ShardRange, ...]]:
    """One unit of work per shard, or per run of neighbours where shards outnumber the task runs a flow should have."""
    per_task = -(-len(missing) // MOST_TASK_RUNS) or 1
    return [tuple(missing[at : at + per_task]) for at in range(0, len(missing), per_task)]


@dataclass
class ShardBuilder:
    """One shard in the making: samples go to a local tar, rejections and counts to its record."""

    writer: ShardWriter
    folder: Path
    rejected: list[RejectedSample] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    attachments: dict[str, Path] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    record: ShardRecord | None = None

    def add(self, sample: TypedSample[Meta]) -> None:
        """Append one sample, counting its split and label."""
        self.writer.add(sample.key, sample.fields())
        self.count("splits", sample.meta.split)
        self.count("labels", sample.meta.label)

    def reject(self, sample_id: str, reason: str) -> None:
        self.rejected.append(RejectedSample(id=sample_id, reason=reason))

    def count(self, kind: str, value: str, number: int = 1) -> None:
        self.counts.setdefault(kind, Counter())[value] += number


@contextmanager
def building(output: StageOutput, shard: ShardRange, inputs: Sequence[Manifest] = ()) -> Iterator[ShardBuilder]:
    """Commit the shard when the block ends well; an error leaves nothing behind, here or in the store.

    `inputs` are the outputs that it is made from.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="opendlign-shard-") as scratch:
        tar = Path(scratch) / "shard.tar"
        with ShardWriter(tar) as writer:
            builder = ShardBuilder(writer, Path(scratch))
            yield builder
        builder.record = output.commit_shard(
            shard.index,
            tar,
            writer.samples,
            rejected=builder.rejected,
            summary={
                **builder.summary,
                **{kind: dict(sorted(count.items())) for kind, count in builder.counts.items()},
            },
            attachments=builder.attachments,
            inputs=inputs,
        )
    note_seconds(output, f"shard-{shard.index:06d}", time.monotonic() - started, writer.samples)


def finish(
    output: StageOutput,
    plan: Sequence[ShardRange],
    *,
    max_rejected_share: float,
    inputs: int | None = None,
    files: Mapping[str, Path] | None = None,
    summary: Mapping[str, Any] | None = None,
) -> Manifest:
    """Commit the manifest, unless too large a share of the samples was rejected.

    `inputs` counts what there was to be rejected, where each input becomes several samples.
    """
    records = output.records(plan)
    rejected = [sample for record in records for sample in record.rejected]
    total = sum(record.samples for record in records) + len(rejected) if inputs is None else inputs
    allowed = max(max_rejected_share * total, min(total - 1, 1) if total < SMALL_STAGE else 0)
    if len(rejected) > allowed:
        examples = "; ".join(f"{sample.id}: {sample.reason}" for sample in rejected[:3])
        raise TooManyRejected(
            f"{output.identity.stage}: {len(rejected)} of {total} samples were rejected, more than the share "
            f"{max_rejected_share:g} allowed (max_rejected_share). First ones: {examples}"
        )
    return output.commit_manifest(plan, files=files, summary=summary)


def note_seconds(output: StageOutput, name: str, seconds: float, samples: int) -> None:
    """Keep what a shard cost beside the outputs, for reports; an output itself holds no times."""
    note = json.dumps({"seconds": round(seconds, 3), "samples": samples}).encode()
    output.store.put_if_absent(f"{TIMINGS.folder}/{output.folder}/{name}.json", note)


def throughput_table(store: Store, manifest: Manifest) -> list[dict[str, Any]]:
    """What an output holds and what it cost, as rows for a table artifact."""
    seconds, samples = stage_seconds(store, manifest.folder)
    size = sum(stored.bytes for stored in manifest.every_file())
    return [
        {"measure": "samples", "value": manifest.samples},
        {"measure": "rejected", "value": manifest.rejected},
        {"measure": "shards", "value": len(manifest.shards)},
        {"measure": "bytes a sample", "value": round(size / max(manifest.samples, 1))},
        {"measure": "seconds of work", "value": round(seconds, 1)},
        {"measure": "samples a second", "value": round(samples / seconds, 1) if seconds else 0},
    ]


def stage_seconds(store: Store, folder: str) -> tuple[float, int]:
    """Seconds and samples noted for one output, added up."""
    notes = [json.loads(store.read(info.key)) for info in store.list(f"{TIMINGS.folder}/{folder}")]
    return sum(note["seconds"] for note in notes), sum(note["samples"] for note in notes)
