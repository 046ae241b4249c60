"""The report page and the UI's artifacts, filled from what the store holds."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opendlign_core.evaluation import EvalExecution
from storage.fetch import Fetcher
from storage.output import StageOutput
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import sample_key
from storage.stores import Store
from tasks.pictures import confusion_picture, depth_and_image, spread
from tasks.samples import EvaluatedOutputs
from tasks.shards import stage_seconds
from tasks.showcase import Showcase

if TYPE_CHECKING:
    from opendlign_core.evaluation.report_data import Curve, ExamplePicture, ImagePair, StageCost
    from opendlign_core.evaluation.results import EvaluationResults, Example

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
    trained: Manifest,
    sources: Sequence[EvaluatedOutputs],
    execution: EvalExecution,
) -> Path:
    """Write the self-contained page of one evaluation, whose own seconds are noted already."""
    from opendlign_core.evaluation.report import render_report
    from opendlign_core.evaluation.report_data import ReportData, StageCost

    store, clip = output.store, trained.recipe["clip"]["model"]
    costs = [*_stages(store, trained, sources), StageCost(output.identity.stage, *stage_seconds(store, output.folder))]
    data = ReportData(
        title=f"OpenDlign on {clip}",
        results=results,
        curves=tuple(_curves(store, trained)),
        examples=tuple(_examples(store, sources, results.examples)),
        pairs=tuple(_pairs(store, sources[0])),
        stages=tuple(
            replace(cost, cost_per_hour=execution.hourly_cost.get(cost.stage), currency=execution.currency)
            for cost in costs
        ),
        provenance=tuple(_provenance(trained, sources)),
    )
    path.write_text(render_report(data), encoding="utf-8")
    return path


def _curves(store: Store, trained: Manifest) -> "Iterable[Curve]":
    from opendlign_core.evaluation.report_data import Curve

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


def _examples(
    store: Store, sources: Sequence[EvaluatedOutputs], examples: "Sequence[Example]"
) -> "Iterable[ExamplePicture]":
    """The depth views of the shown objects, found in one pass over the depth shards."""
    import numpy as np

    from opendlign_core.evaluation.report_data import ExamplePicture
    from opendlign_core.samples import decode_depth

    wanted = {sample_key(example.object_id) for example in examples}
    strips = {}
    for source in sources:
        with SampleReader(store, next(iter(source.depths.values()))) as reader:
            for sample in reader:
                if sample.key in wanted:
                    views = decode_depth(sample.fields["depth.npy"])
                    halves = np.array_split(views, 2) if len(views) % 2 == 0 else [views]
                    rows = [np.concatenate(list(half), axis=1) for half in halves]
                    strips[sample.key] = (np.concatenate(rows) * 255).astype(np.uint8)
    for example in examples:
        if (strip := strips.get(sample_key(example.object_id))) is not None:
            yield ExamplePicture(example, strip)


def _pairs(store: Store, source: EvaluatedOutputs) -> "Iterable[ImagePair]":
    import numpy as np

    from opendlign_core.evaluation.report_data import ImagePair

    if source.aligned is None:
        return
    for view, sample in enumerate(spread(store, source.aligned, PAIRS_SHOWN)):
        depth, image = depth_and_image(sample, view)
        meta = sample.json()
        both = np.concatenate([np.repeat(depth[..., None], 3, axis=2), image], axis=1)
        yield ImagePair(meta["object_id"], meta["caption"], both)


def _stages(store: Store, trained: Manifest, sources: Sequence[EvaluatedOutputs]) -> "Iterable[StageCost]":
    from opendlign_core.evaluation.report_data import StageCost

    outputs = [output for source in sources for output in (source.clouds, *source.depths.values(), source.aligned)]
    for manifest in (*(output for output in outputs if output is not None), trained):
        seconds, samples = stage_seconds(store, manifest.folder)
        size = sum(stored.bytes for stored in manifest.every_file()) / 1e6
        yield StageCost(manifest.stage, seconds, samples, size, manifest.rejected)


def _provenance(trained: Manifest, sources: Sequence[EvaluatedOutputs]) -> Iterable[tuple[str, str]]:
    for source in sources:
        yield from source.fingerprints.items()
    yield "train", trained.fingerprint
    yield "training recipe", json.dumps(trained.recipe, sort_keys=True)


def read_results(store: Store, manifest: Manifest) -> "EvaluationResults":
    """What an evaluation found."""
    from opendlign_core.evaluation.results import EvaluationResults

    with Fetcher(store) as fetcher:
        text = fetcher.path(manifest, manifest.file("results")).read_text(encoding="utf-8")
    return EvaluationResults.model_validate_json(text)


def show_results(store: Store, manifest: Manifest, ui: Showcase) -> None:
    """Show an evaluation in the UI: the table, the confusion of the first row, a summary."""
    results = read_results(store, manifest)
    rows = [
        {
            "data set": row.dataset,
            "method": row.method,
            "searched on": "test labels" if row.searched_on_test else "",
            "objects": row.objects,
            "top-1": round(100 * row.top1.value, 2),
            "top-3": round(100 * row.top3.value, 2),
            "top-5": round(100 * row.top5.value, 2),
            "macro F1": round(100 * row.macro_f1.value, 2),
        }
        for row in results.zero_shot
    ]
    ui.table("results", rows, "Zero-shot accuracy in percent")
    if results.zero_shot:
        row = results.primary_rows()[0]
        picture = confusion_picture(row.confusion, [entry.name for entry in row.classes])
        ui.picture("confusion", picture, f"{row.method} on {row.dataset}: true class down")
    report = f"{store.url}/{manifest.folder}/{manifest.file('report').file}"
    text = "\n".join([*_findings(results), "", f"Report: `{report}`"])
    ui.markdown("summary", text, "What the evaluation found")


def _findings(results: "EvaluationResults") -> Iterator[str]:
    for row in results.zero_shot:
        mark = " (searched on test labels)" if row.searched_on_test else ""
        yield f"* **{row.method}**{mark} on {row.dataset}: top-1 {100 * row.top1.value:.1f} %"
    for few in results.few_shot:
        share = f"{100 * few.mean:.1f} ± {100 * few.std:.1f} %"
        yield f"* **{few.method}** on {few.dataset}, {few.shots} examples a class: top-1 {share}"
    for found in results.retrieval:
        share = f"{100 * found.mean_average_precision:.1f} %"
        yield f"* **{found.query}** to shape on {found.dataset}: mAP {share}"
