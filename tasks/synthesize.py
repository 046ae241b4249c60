"""Synthesize: depth maps and the images painted on them, packed for training."""

import functools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opendlign_core.samples import DepthMaps, Rejected
from opendlign_core.synthesis import (
    STAGE_VERSION,
    ControlNetRecipe,
    GateRecipe,
    Progress,
    PromptRecipe,
    ShadedRecipe,
    SynthesisExecution,
    SynthesisRecipe,
    Synthesizer,
)
from opendlign_core.synthesis.cost import image_bytes
from storage.output import ShardRange, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import Sample
from storage.store import Store
from tasks.pictures import show_pairs
from tasks.ports import Inputs, Port
from tasks.progress import StageProgress
from tasks.requirements import Requirement, device, hub_model
from tasks.shards import ShardBuilder, throughput_table
from tasks.showcase import Showcase
from tasks.stage import Job, ShardedStage, Views

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opendlign_core.synthesis import CaptionScorer

log = logging.getLogger(__name__)


class Synthesize(ShardedStage[SynthesisRecipe, SynthesisExecution]):
    name = "synthesize"
    noun = "synthesis"
    version = STAGE_VERSION
    recipe = SynthesisRecipe
    execution = SynthesisExecution
    about = "Paint depth maps as depth-aligned images."
    reads = (Port("depths", "project", "Fingerprint of the project output."),)
    pool = "gpu"
    shared = True
    in_flight = 2
    shows = ("cost", "throughput", "pairs")

    def requires(self, recipe: SynthesisRecipe, execution: SynthesisExecution) -> Iterable[Requirement]:
        yield from device(execution.device)
        painter = recipe.synthesizer
        if isinstance(painter, ControlNetRecipe):
            for model in (painter.base, painter.controlnet, painter.lora, painter.tiny_vae):
                if model is not None:
                    yield hub_model(model.id, model.revision)

    def bytes_each(self, recipe: SynthesisRecipe, views: Views) -> int:
        """The images, and the maps that travel with them."""
        return views.packed_bytes + views.number * image_bytes(recipe.image, views.size)

    def shards(self, recipe: SynthesisRecipe, inputs: Inputs, origin: Any) -> Sequence[ShardRange]:
        """Shards of `recipe.shard_size` depth objects each, the amount of work a lost worker costs."""
        return plan_shards(inputs["depths"][0].manifest.samples, recipe.shard_size)

    @contextmanager
    def ready(self, job: Job[SynthesisRecipe, SynthesisExecution]) -> Iterator[SampleReader]:
        with SampleReader(job.store, job.manifest("depths")) as reader:
            yield reader

    def build(
        self,
        job: Job[SynthesisRecipe, SynthesisExecution],
        ready: SampleReader,
        shard: ShardRange,
        builder: ShardBuilder,
    ) -> None:
        """Paint the objects of a shard with a painter that stays loaded for all shards of this process."""
        from opendlign_core.synthesis import synthesize_objects

        recipe, execution, progress = job.recipe, job.execution, job.progress
        objects = _objects(ready.read(shard.start, shard.stop), recipe.splits)
        report = _Reporter(progress)
        painter, scorer = _painter(recipe, execution), _scorer(recipe.gate, execution)
        painted = 0
        for outcome in synthesize_objects(objects, recipe, painter, execution, report, scorer):
            painted += 1
            if isinstance(outcome, Rejected):
                builder.reject(outcome.object_id, outcome.reason)
                progress.advance(rejected=1)
            else:
                builder.add(outcome)
                progress.advance()
        if skipped := shard.stop - shard.start - painted:
            progress.advance(skipped, skipped=skipped)
        builder.summary["gate"] = {"images": report.images, "rejected_images": report.rejected}

    def announce(
        self, job: Job[SynthesisRecipe, SynthesisExecution], ahead: Sequence[ShardRange], ui: Showcase
    ) -> None:
        """Time a batch on the device at hand; say what these shards, and a lost worker, will cost."""
        sentence = cost_sentence(job, ahead)
        ui.markdown("cost", sentence, "What is ahead, from a batch timed on this device")
        log.info(sentence)

    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        ui.table("throughput", throughput_table(store, manifest), "Aligned objects and their cost")
        show_pairs(store, manifest, ui)


SYNTHESIZE = Synthesize()


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


class _Reporter:
    """Hands a stream's running totals on as steps."""

    def __init__(self, progress: StageProgress) -> None:
        self._progress = progress
        self.images = 0
        self.rejected = 0

    def __call__(self, totals: Progress) -> None:
        self._progress.advance(
            0, images=totals.images - self.images, rejected_images=totals.rejected_images - self.rejected
        )
        self.images, self.rejected = totals.images, totals.rejected_images


def _objects(samples: Iterable[Sample], splits: tuple[str, ...]) -> Iterator[DepthMaps]:
    """The depth maps of the objects of the splits to paint."""
    for sample in samples:
        found = DepthMaps.read(sample.key, sample.fields)
        if not splits or found.meta.split in splits:
            yield found


def cost_sentence(job: Job[SynthesisRecipe, SynthesisExecution], ahead: Sequence[ShardRange]) -> str:
    """What painting these shards will cost on this device, from a batch timed now."""
    from opendlign_core.synthesis import estimate_cost

    recipe, depths = job.recipe, job.manifest("depths")
    with SampleReader(job.store, depths) as reader:
        first = next(_objects(reader, ()))
    prompt = recipe.prompt.prompt(first.meta.words)
    objects = round(_wanted_share(depths, recipe.splits) * sum(shard.stop - shard.start for shard in ahead))
    painter = _painter(recipe, job.execution)
    painter.prepare(objects * first.meta.views)
    rate = _images_per_second(painter, first.maps(), prompt)
    return estimate_cost(recipe, rate, objects, first.meta.views).sentence()


def _images_per_second(painter: Synthesizer, maps: "NDArray[np.float32]", prompt: str) -> float:
    """The rate of the second of two batches; the first may compile, or find out what fits into memory."""
    started = 0.0
    for turn in range(2):
        count = painter.batch_size
        views = [index % len(maps) for index in range(count)]
        started = time.monotonic()
        painter.generate(maps[views], [prompt] * count, range(turn * count, (turn + 1) * count))
    return count / (time.monotonic() - started)


def _wanted_share(depths: Manifest, splits: tuple[str, ...]) -> float:
    """The share of the objects that belongs to the splits to paint."""
    counts: dict[str, int] = depths.summary.get("splits", {})
    total = sum(counts.values())
    return sum(counts.get(split, 0) for split in splits) / total if splits and total else 1.0
