"""Synthesize: depth maps and the images painted on them, packed for training."""

import functools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from prefect import task

from opendlign_core.synthesis import (
    STAGE_VERSION,
    AlignedObject,
    ControlNetRecipe,
    DepthObject,
    GateRecipe,
    Progress,
    PromptRecipe,
    ShadedRecipe,
    SynthesisExecution,
    SynthesisRecipe,
    Synthesizer,
)
from storage.fingerprint import StageIdentity
from storage.output import ShardRange, StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import Sample, object_id
from storage.stores import Store
from tasks.artifacts import publish_markdown
from tasks.policy import SHARD_TASK
from tasks.progress import current_progress
from tasks.shards import ShardBuilder, ShardWork, StagePlan, finish
from tasks.slots import computing, gpu_slot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opendlign_core.synthesis import CaptionScorer

log = logging.getLogger(__name__)

STAGE = "synthesize"


def identify(recipe: SynthesisRecipe, depths: str) -> StageIdentity:
    """Aligned images are what the recipe paints on the depth maps with that fingerprint."""
    return StageIdentity.of(STAGE, STAGE_VERSION, recipe, {"project": depths})


def plan(store: Store, recipe: SynthesisRecipe, depths: Manifest) -> StagePlan:
    """Shards of `recipe.shard_size` depth objects each, the amount of work a lost worker costs."""
    output = StageOutput(store, identify(recipe, depths.fingerprint))
    return StagePlan.look(output, plan_shards(depths.samples, recipe.shard_size))


@task(name="synthesize-shard", **SHARD_TASK)
def synthesize_shard(
    work: ShardWork, recipe: SynthesisRecipe, execution: SynthesisExecution, depths: Manifest
) -> list[int]:
    """Paint the objects of each shard with a painter that stays loaded for all shards of this process."""
    output = work.open()
    with SampleReader(output.store, depths) as reader:
        for shard in work.shards:
            with computing(output, shard, execution.device) as builder:
                _build(builder, recipe, execution, reader, shard)
    return [shard.index for shard in work.shards]


def _painter(recipe: SynthesisRecipe, execution: SynthesisExecution) -> Synthesizer:
    """The painter of a recipe; it stays when only the gate or the image format of the next recipe differ."""
    return _loaded_painter(recipe.synthesizer, recipe.prompt, execution)


@functools.lru_cache(maxsize=1)
def _loaded_painter(
    painter: ShadedRecipe | ControlNetRecipe, prompt: PromptRecipe, execution: SynthesisExecution
) -> Synthesizer:
    from opendlign_core.synthesis import load_synthesizer

    return load_synthesizer(SynthesisRecipe(synthesizer=painter, prompt=prompt), execution)


@functools.lru_cache(maxsize=1)
def _scorer(gate: GateRecipe, execution: SynthesisExecution) -> "CaptionScorer | None":
    """The CLIP that ranks captions, if the gate asks for it."""
    from opendlign_core.synthesis import load_scorer

    return load_scorer(gate, execution)


def _build(
    builder: ShardBuilder,
    recipe: SynthesisRecipe,
    execution: SynthesisExecution,
    reader: SampleReader,
    shard: ShardRange,
) -> None:
    from opendlign_core.synthesis import synthesize_objects

    wanted: dict[str, Sample] = {}
    objects = _objects(reader.read(shard.start, shard.stop), recipe.splits, wanted)
    report = _Reporter()
    painter, scorer = _painter(recipe, execution), _scorer(recipe.gate, execution)
    for outcome in synthesize_objects(objects, recipe, painter, execution, report, scorer):
        sample = wanted.pop(outcome.key)
        if isinstance(outcome, AlignedObject):
            builder.add(outcome.key, _fields(sample, outcome), _meta(sample, outcome))
            current_progress().advance()
        else:
            builder.reject(object_id(outcome.key), outcome.reason)
            current_progress().advance(rejected=1)
    builder.summary["gate"] = {"images": report.images, "rejected_images": report.rejected}


class _Reporter:
    """Hands a stream's running totals on as steps."""

    def __init__(self) -> None:
        self.images = 0
        self.rejected = 0

    def __call__(self, totals: Progress) -> None:
        current_progress().advance(
            0, images=totals.images - self.images, rejected_images=totals.rejected_images - self.rejected
        )
        self.images, self.rejected = totals.images, totals.rejected_images


def _objects(samples: Iterable[Sample], splits: tuple[str, ...], wanted: dict[str, Sample]) -> Iterator[DepthObject]:
    from opendlign_core.samples import decode_depth

    for sample in samples:
        meta = sample.json()
        if splits and meta["split"] not in splits:
            current_progress().advance(skipped=1)
            continue
        wanted[sample.key] = sample
        yield DepthObject(sample.key, decode_depth(sample.fields["depth.npy"]), meta["caption"] or meta["label"])


def _fields(sample: Sample, painted: AlignedObject) -> dict[str, bytes]:
    images = {f"{view:02d}.{painted.extension}": image for view, image in enumerate(painted.images)}
    return {"depth.npy": sample.fields["depth.npy"], **images}


def _meta(sample: Sample, painted: AlignedObject) -> dict[str, Any]:
    gate = [score.model_dump() for score in painted.gate]
    return {
        **sample.json(),
        "prompts": painted.prompts,
        "seeds": painted.seeds,
        "gate": gate,
        "attempts": painted.attempts,
    }


def announce_cost(
    output: StageOutput,
    shards: Sequence[ShardRange],
    recipe: SynthesisRecipe,
    execution: SynthesisExecution,
    depths: Manifest,
) -> str:
    """Time a batch on the device at hand; say what these shards, and a lost worker, will cost."""
    from opendlign_core.synthesis import estimate_cost

    with SampleReader(output.store, depths) as reader, gpu_slot(execution.device):
        first = next(_objects(reader, (), {}))
        rate = _images_per_second(_painter(recipe, execution), first.depth, recipe.prompt.prompt(first.caption))
    objects = round(_wanted_share(depths, recipe.splits) * sum(shard.stop - shard.start for shard in shards))
    sentence = estimate_cost(recipe, rate, objects, len(first.depth)).sentence()
    publish_markdown(STAGE, "cost", sentence, "What is ahead, from a batch timed on this device")
    log.info(sentence)
    return sentence


def _images_per_second(painter: Synthesizer, maps: "NDArray[np.float32]", prompt: str) -> float:
    """The rate of the second of two batches; the first may compile, or find out what fits into memory."""
    started = 0.0
    for turn in range(2):
        count = painter.batch_size
        places = [place % len(maps) for place in range(count)]
        started = time.monotonic()
        painter.generate(maps[places], [prompt] * count, range(turn * count, (turn + 1) * count))
    return count / (time.monotonic() - started)


def _wanted_share(depths: Manifest, splits: tuple[str, ...]) -> float:
    """The share of the objects that belongs to the splits to paint."""
    counts: dict[str, int] = depths.summary.get("splits", {})
    total = sum(counts.values())
    return sum(counts.get(split, 0) for split in splits) / total if splits and total else 1.0


def commit(planned: StagePlan, execution: SynthesisExecution) -> Manifest:
    return finish(planned.output, planned.shards, max_rejected_share=execution.max_rejected_share)
