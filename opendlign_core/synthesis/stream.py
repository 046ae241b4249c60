"""Objects in, aligned objects out: batches across objects, the gate, second tries, and the input's order kept."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples import DepthMaps, GateScore, Painted, PaintedMeta, encode_image
from opendlign_core.streams import prefetched
from opendlign_core.synthesis.captions import CaptionScorer, keep_recognised
from opendlign_core.synthesis.gate import judge
from opendlign_core.synthesis.loading import load_scorer, load_synthesizer
from opendlign_core.synthesis.recipe import SynthesisExecution, SynthesisRecipe
from opendlign_core.synthesis.seeds import image_seed
from opendlign_core.synthesis.synthesizer import Painting, Synthesizer
from opendlign_core.synthesis.types import Progress, RejectedSynthesis

Outcome = Painted | RejectedSynthesis
_Decoded = tuple[DepthMaps, NDArray[np.float32]]
_READ_AHEAD = 8  # objects whose depth maps are read while others are painted


@dataclass
class _Work:
    """An object under way: its views' images arrive in any order."""

    source: DepthMaps
    depth: NDArray[np.float32]  # [V, S, S]
    prompt: str
    images: dict[int, bytes] = field(default_factory=dict)
    scores: dict[int, GateScore] = field(default_factory=dict)
    seeds: dict[int, int] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    failure: RejectedSynthesis | None = None

    def outcome(self, extension: str) -> Outcome | None:
        """The finished object, or None while views are missing."""
        if self.failure is not None:
            return self.failure
        views = range(len(self.depth))
        if len(self.images) < len(views):
            return None
        meta = PaintedMeta.of(
            self.source.meta,
            prompts=(self.prompt,) * len(views),
            seeds=tuple(self.seeds[view] for view in views),
            gate=tuple(self.scores[view] for view in views),
            attempts=tuple(self.attempts[view] for view in views),
        )
        return Painted(meta, self.source.encoded, tuple(self.images[view] for view in views), extension)


@dataclass(frozen=True)
class _Job:
    """One image to paint."""

    work: _Work
    view: int
    attempt: int

    def seed(self, recipe: SynthesisRecipe) -> int:
        return image_seed(recipe.seed, self.work.source.key, self.view, self.attempt)


_Verdict = tuple[GateScore, bytes]


@dataclass(frozen=True)
class _Judged:
    """Painted images and what a thread will have made of them: their scores, and their bytes where they pass."""

    jobs: list[_Job]
    future: Future[list[_Verdict]]

    def verdicts(self) -> Iterator[tuple[_Job, _Verdict]]:
        return zip(self.jobs, self.future.result(), strict=True)


def synthesize_objects(
    objects: Iterable[DepthMaps],
    recipe: SynthesisRecipe,
    synthesizer: Synthesizer | None = None,
    execution: SynthesisExecution | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    scorer: CaptionScorer | None = None,
) -> Iterator[Outcome]:
    """Paint all views of `objects` and yield each finished or rejected, in the order given.

    Which images share a batch follows from the sequence of objects, the batch size and the gate's verdicts, never from
    timing; so the same call gives the same outcomes. One thread reads ahead, others check and encode what was painted
    while the next batch is painted. `on_progress` is called after every batch, in the caller's thread. `synthesizer`
    and `scorer` are what the recipe names, loaded beforehand by whoever keeps them for several calls.
    """
    execution = execution or SynthesisExecution()
    painter = synthesizer or load_synthesizer(recipe, execution)
    scorer = scorer or load_scorer(recipe.gate, execution)
    with ThreadPoolExecutor(execution.workers, thread_name_prefix="encode") as pool:
        run = _Run(recipe, painter, pool, execution.workers, on_progress)
        source = prefetched(((sample, sample.maps()) for sample in objects), _READ_AHEAD)
        try:
            outcomes = run.outcomes(source)
            yield from outcomes if scorer is None else keep_recognised(outcomes, scorer, recipe.gate)
        finally:
            source.close()


class _Run:
    """One pass over a stream of objects."""

    def __init__(
        self,
        recipe: SynthesisRecipe,
        painter: Synthesizer,
        pool: ThreadPoolExecutor,
        workers: int,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.recipe, self.painter, self.on_progress = recipe, painter, on_progress
        self.pool, self.workers = pool, workers
        self.fresh: deque[_Job] = deque()
        self.again: deque[_Job] = deque()
        self.open: deque[_Work] = deque()
        self.counts = {"objects": 0, "images": 0, "rejected_objects": 0, "rejected_images": 0}
        self.started = time.perf_counter()

    def outcomes(self, source: Iterator[_Decoded]) -> Iterator[Outcome]:
        """Paint batch after batch; the verdicts on a batch are read once the next one is painted."""
        judged: list[_Judged] = []
        while True:
            batch = self._next_batch(source)
            if not batch and not judged:
                break
            painted = self._paint(batch) if batch else []
            self._settle(judged)
            judged = painted
            self._report()
            yield from self._finished()
        yield from self._finished()

    def _next_batch(self, source: Iterator[_Decoded]) -> list[_Job]:
        """Second tries first, then views of the next objects; all of one batch have one size."""
        batch: list[_Job] = []
        size: tuple[int, ...] | None = None
        while len(batch) < self.painter.batch_size:
            queue = self.again or self._refill(source)
            if not queue or size not in (None, queue[0].work.depth.shape[1:]):
                break
            size = queue[0].work.depth.shape[1:]
            batch.append(queue.popleft())
        return batch

    def _refill(self, source: Iterator[_Decoded]) -> deque[_Job]:
        while not self.fresh and (item := next(source, None)) is not None:
            sample, depth = item
            prompt = self.recipe.prompt.prompt(sample.meta.words)
            work = _Work(sample, depth, prompt, failure=_unusable(sample, depth))
            self.open.append(work)
            if work.failure is None:
                self.fresh.extend(_Job(work, view, 0) for view in range(len(depth)))
        return self.fresh

    def _paint(self, batch: list[_Job]) -> list[_Judged]:
        """Paint a batch; each thread judges a run of neighbours, as a task for each image costs too much."""
        depth = np.stack([job.work.depth[job.view] for job in batch])
        painting = self.painter.paint(
            depth, [job.work.prompt for job in batch], [job.seed(self.recipe) for job in batch]
        )
        size = -(-len(batch) // self.workers)
        runs = [range(first, min(first + size, len(batch))) for first in range(0, len(batch), size)]
        return [
            _Judged([batch[place] for place in places], self.pool.submit(self._judge_run, painting, places, depth))
            for places in runs
        ]

    def _judge_run(self, painting: Painting, places: range, depth: NDArray[np.float32]) -> list[_Verdict]:
        return [self._judge(painting, place, depth[place]) for place in places]

    def _judge(self, painting: Painting, place: int, depth: NDArray[np.float32]) -> _Verdict:
        image = painting.images[place]
        score = judge(image, depth, bool(painting.finite[place]), self.recipe.gate)
        return score, b"" if score.reason else encode_image(image, self.recipe.image)

    def _settle(self, judged: list[_Judged]) -> None:
        """Keep what passed the gate; the rest is painted again or ends its object."""
        for job, (score, encoded) in chain.from_iterable(run.verdicts() for run in judged):
            work = job.work
            self.counts["rejected_images" if score.reason else "images"] += 1
            work.scores[job.view] = score
            if score.reason is None:
                work.images[job.view] = encoded
                work.seeds[job.view] = job.seed(self.recipe)
                work.attempts[job.view] = job.attempt + 1
            elif job.attempt < self.recipe.gate.retries and work.failure is None:
                self.again.append(_Job(work, job.view, job.attempt + 1))
            else:
                self._give_up(job, score)

    def _give_up(self, job: _Job, score: GateScore) -> None:
        work, tries = job.work, job.attempt + 1
        failed = {view: verdict for view, verdict in work.scores.items() if verdict.reason}
        reason = f"view {job.view}: {score.reason}, after {tries} {'try' if tries == 1 else 'tries'}"
        work.failure = work.failure or RejectedSynthesis(work.source.meta.object_id, reason, failed)
        self.again = deque(other for other in self.again if other.work is not work)
        self.fresh = deque(other for other in self.fresh if other.work is not work)

    def _finished(self) -> Iterator[Outcome]:
        """Objects at the head of the line whose every view is there, or that were given up."""
        while self.open and (outcome := self.open[0].outcome(self.recipe.image.extension)) is not None:
            self.open.popleft()
            kept = isinstance(outcome, Painted)
            self.counts["objects" if kept else "rejected_objects"] += 1
            yield outcome

    def _report(self) -> None:
        if self.on_progress is not None:
            seconds = time.perf_counter() - self.started
            self.on_progress(Progress(**self.counts, batch_size=self.painter.batch_size, seconds=seconds))


def _unusable(sample: DepthMaps, depth: NDArray[np.float32]) -> RejectedSynthesis | None:
    """Why an object cannot be painted at all."""
    if not depth.size:
        return RejectedSynthesis(sample.meta.object_id, "it has no depth maps")
    empty = [view for view, image in enumerate(depth) if image.min() >= 0.9995]
    return RejectedSynthesis(sample.meta.object_id, f"view {empty[0]}: the depth map is empty") if empty else None
