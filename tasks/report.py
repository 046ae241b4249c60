"""The report page and the UI's artifacts, filled from what the store holds."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opendlign_core.clip import ClipSpec
from opendlign_core.evaluation import EvalExecution
from storage.fetch import Fetcher
from storage.output import StageOutput
from storage.records import Manifest
from storage.store import Store
from tasks.pictures import depth_and_image, spread, view_strips
from tasks.report_facts import rejections, report_title, source_facts
from tasks.samples import EvaluatedOutputs
from tasks.shards import stage_seconds
from tasks.showcase import Showcase, markdown_text
from tasks.words import unread_in

if TYPE_CHECKING:
    from opendlign_core.evaluation.findings import Example
    from opendlign_core.evaluation.paired import Gain
    from opendlign_core.evaluation.report.data import Curve, ExamplePicture, ImagePair, Rejection, StageCost
    from opendlign_core.evaluation.results import EvaluationResults

PAIRS_SHOWN = 8
CURVES = {
    "loss": ("contrastive", "distance"),
    "accuracy in the batch": ("depth_to_image", "image_to_depth"),
    "held-out zero-shot": ("zero_shot", "base_zero_shot", "depth_zero_shot"),
}


def write_report(
    path: Path,
    output: StageOutput,
    results: "EvaluationResults",
    trained: Manifest | None,
    sources: Sequence[EvaluatedOutputs],
    projection: str,
    execution: EvalExecution,
    clip: ClipSpec,
    gains: "Iterable[Gain]" = (),
) -> Path:
    """Write the self-contained page of one evaluation, whose own seconds are noted already.

    Examples are shown as `projection` draws them; `clip` is what read the classes' names; `gains` are what
    methods are better by than the frozen one.
    """
    from opendlign_core.evaluation.report.data import ReportData, StageCost
    from opendlign_core.evaluation.report.page import render_report

    store = output.store
    costs = [*_stages(store, trained, sources), StageCost(output.identity.stage, *stage_seconds(store, output.folder))]
    drawn = [source.depths[projection] for source in sources if projection in source.depths]
    data = ReportData(
        title=report_title(results, sources),
        results=results,
        curves=tuple(_curves(store, trained)) if trained else (),
        examples=tuple(_examples(store, drawn, results.examples)),
        pairs=tuple(_pairs(store, sources[0])),
        stages=tuple(
            replace(cost, cost_per_hour=execution.hourly_cost.get(cost.stage), currency=execution.currency)
            for cost in costs
        ),
        provenance=tuple(_provenance(trained, sources)),
        gains=tuple(gains),
        sources=tuple(source_facts(sources)),
        rejections=(*rejections(sources), *_unnamed(results)),
        trained=trained is not None,
        unread=unread_in(clip, results),
    )
    path.write_text(render_report(data), encoding="utf-8")
    return path


def _unnamed(results: "EvaluationResults") -> "Iterator[Rejection]":
    """Objects that could not be judged, because their label leads to no class."""
    from opendlign_core.evaluation import ZERO_SHOT
    from opendlign_core.evaluation.report.data import Rejection

    for row in results.primary_of(results.of(ZERO_SHOT)):
        if row.left_out:
            yield Rejection("evaluate", f"no label that is a class of {row.dataset}", row.left_out, "")


def _curves(store: Store, trained: Manifest) -> "Iterable[Curve]":
    from opendlign_core.evaluation.report.data import Curve

    rows = _metrics(store, trained)
    for panel, names in CURVES.items():
        for name in names:
            kind = "validation" if "zero_shot" in name else "train"
            points = tuple((float(row["step"]), row[name]) for row in rows if row["kind"] == kind and name in row)
            if points:
                yield Curve(panel, name.replace("_", " "), points)


def _metrics(store: Store, trained: Manifest) -> list[dict[str, Any]]:
    if all(stored.name != "metrics" for stored in trained.files):
        return []  # an imported model was trained elsewhere
    with Fetcher(store) as fetcher:
        text = fetcher.path(trained, trained.file("metrics")).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _examples(store: Store, outputs: Sequence[Manifest], examples: "Sequence[Example]") -> "Iterable[ExamplePicture]":
    from opendlign_core.evaluation.report.data import ExamplePicture

    strips = view_strips(store, outputs, {example.object_id for example in examples})
    for example in examples:
        if example.object_id in strips:
            yield ExamplePicture(example, strips[example.object_id])


def _pairs(store: Store, source: EvaluatedOutputs) -> "Iterable[ImagePair]":
    import numpy as np

    from opendlign_core.evaluation.report.data import ImagePair
    from opendlign_core.samples import Painted

    if source.aligned is None:
        return
    for view, painted in enumerate(spread(store, source.aligned, Painted, PAIRS_SHOWN)):
        depth, image = depth_and_image(painted, view)
        both = np.concatenate([np.repeat(depth[..., None], 3, axis=2), image], axis=1)
        yield ImagePair(painted.meta.object_id, painted.meta.caption, both)


def _stages(store: Store, trained: Manifest | None, sources: Sequence[EvaluatedOutputs]) -> "Iterable[StageCost]":
    from opendlign_core.evaluation.report.data import StageCost

    outputs = [output for source in sources for output in (source.clouds, *source.depths.values(), source.aligned)]
    for manifest in (output for output in (*outputs, trained) if output is not None):
        seconds, samples = stage_seconds(store, manifest.folder)
        size = sum(stored.bytes for stored in manifest.every_file()) / 1e6
        yield StageCost(manifest.stage, seconds, samples, size, manifest.rejected)


def _provenance(trained: Manifest | None, sources: Sequence[EvaluatedOutputs]) -> Iterable[tuple[str, str]]:
    for source in sources:
        yield "ingest", source.clouds.fingerprint
        yield from ((f"project ({name})", depths.fingerprint) for name, depths in source.depths.items())
        if source.aligned is not None:
            yield "synthesize", source.aligned.fingerprint
    if trained is not None:
        yield "train", trained.fingerprint
        yield "training recipe", json.dumps(trained.recipe, sort_keys=True)


def read_results(store: Store, manifest: Manifest) -> "EvaluationResults":
    """What an evaluation found."""
    from opendlign_core.evaluation import read_results_text

    with Fetcher(store) as fetcher:
        return read_results_text(fetcher.path(manifest, manifest.file("results")).read_text(encoding="utf-8"))


def show_results(store: Store, manifest: Manifest, ui: Showcase) -> None:
    """Show an evaluation in the UI: every benchmark's table and pictures, and a summary."""
    from opendlign_core.evaluation import judged_by

    results = read_results(store, manifest)
    for benchmark in judged_by(results):
        table = benchmark.table(results)
        names = [column.name for column in table.columns]
        ui.table(benchmark.shows[0], [dict(zip(names, row, strict=True)) for row in table.rows], table.title)
        for name, picture in zip(benchmark.shows[1:], benchmark.pictures(results), strict=True):
            ui.picture(name, picture.png, picture.title)
    report = f"{store.url}/{manifest.folder}/{manifest.file('report').file}"
    text = "\n".join([*_findings(results), "", f"Report: `{report}`"])
    ui.markdown("summary", text, "What the evaluation found")


def _findings(results: "EvaluationResults") -> Iterator[str]:
    """A line of markdown for every headline."""
    from opendlign_core.evaluation import all_headlines

    for benchmark, headline in all_headlines(results):
        mark = f" ({headline.mark})" if headline.mark else ""
        low, high = headline.low, headline.high
        spread = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
        yield (
            f"* **{markdown_text(headline.method)}**{mark} on {markdown_text(headline.dataset)}: "
            f"{benchmark.measure} {100 * headline.value:.1f} %{spread}, {markdown_text(headline.remark)}"
        )
