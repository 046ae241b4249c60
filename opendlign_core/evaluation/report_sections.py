"""The drawn parts of the report: bars, matrices, curves and pictures."""

from collections.abc import Iterable, Sequence

import numpy as np

from opendlign_core.evaluation.charts import Series, bars, confusion_chart, line_chart
from opendlign_core.evaluation.html import Markup, data_uri, joined, percent, tag
from opendlign_core.evaluation.published import benchmark_key, benchmark_title, published_few_shot
from opendlign_core.evaluation.report_data import Curve, ExamplePicture, ImagePair, ReportData
from opendlign_core.evaluation.results import EvaluationResults, FewShotResult, ViewsResult, ZeroShotResult

_BARS = 60
_EMPTY = Markup("")


def classes(results: EvaluationResults) -> Markup:
    """Per-class bars and the confusion matrix of the primary method on every data set."""
    return joined(_class_panel(row) for row in results.primary_rows())


def _class_panel(row: ZeroShotResult) -> Markup:
    ranked = sorted((c for c in row.classes if c.objects), key=lambda c: (-c.top1, c.name))
    shown = ranked if len(ranked) <= _BARS else [*ranked[: _BARS // 2], *ranked[-_BARS // 2 :]]
    words = f"Top-1 per class, {_named(row)}."
    if len(shown) < len(ranked):
        words += f" The best and the worst {_BARS // 2} of {len(ranked)} classes."
    chart = bars([(c.name, c.top1, f"{percent(c.top1)} % of {c.objects}") for c in shown])
    matrix = confusion_chart(np.asarray(row.confusion, np.int64), [c.name for c in row.classes])
    hint = tag("p", "Rows are true classes, columns predictions; strength is the share of the row.", class_="note")
    unfolded = tag("details", tag("summary", "Confusion matrix"), hint, matrix, open=True)
    title = tag("h3", benchmark_title(row.dataset))
    return tag("div", title, tag("p", words, class_="note"), chart, unfolded, class_="panel")


def _named(row: ZeroShotResult | ViewsResult) -> str:
    return f"{row.method} (searched on test labels)" if row.searched_on_test else row.method


def examples(shown: Sequence[ExamplePicture]) -> Markup:
    """Objects with their depth views, label and prediction."""
    return _shots(_example(entry) for entry in shown)


def _example(entry: ExamplePicture) -> Markup:
    example = entry.example
    hit = example.label == example.prediction
    verdict = tag("b", example.label if hit else f"{example.label}, taken for {example.prediction}")
    words = tag("p", verdict, f" · margin {example.margin:+.4f}", class_="hit" if hit else "miss")
    origin = tag("p", tag("code", example.object_id), f" {benchmark_title(example.dataset)} · {example.method}")
    picture = tag("img", src=data_uri(entry.picture), alt=f"depth views of {example.object_id}")
    return tag("div", picture, words, origin, class_="shot")


def pairs(shown: Sequence[ImagePair]) -> Markup:
    """Depth maps beside what was painted on them."""
    return _shots(_pair(entry) for entry in shown)


def _pair(entry: ImagePair) -> Markup:
    words = tag("p", tag("b", entry.title), f" {entry.caption}")
    return tag("div", tag("img", src=data_uri(entry.picture), alt=entry.title), words, class_="shot")


def _shots(cards: Iterable[Markup]) -> Markup:
    found = list(cards)
    return tag("div", *found, class_="shots") if found else _EMPTY


def few_shot(data: ReportData) -> Markup:
    """Accuracy over shots per data set, with one standard deviation, beside published lines."""
    rows: dict[str, dict[str, list[FewShotResult]]] = {}
    for row in data.results.few_shot:
        rows.setdefault(row.dataset, {}).setdefault(row.method, []).append(row)
    charts = (_few_shot_chart(dataset, methods, data.show_published) for dataset, methods in rows.items())
    return _panels(charts)


def _few_shot_chart(dataset: str, methods: dict[str, list[FewShotResult]], with_published: bool) -> Markup:
    lines = [
        Series(
            method,
            tuple((float(row.shots), 100 * row.mean) for row in found),
            tuple(100 * row.std for row in found),
        )
        for method, found in methods.items()
    ]
    papers = published_few_shot().get(benchmark_key(dataset), {}) if with_published else {}
    for name, points in papers.items():
        lines.append(Series(f"{name} (published)", tuple(sorted(points.items())), published=True))
    return tag("div", tag("h3", benchmark_title(dataset)), line_chart(lines, "shots per class", "top-1 %", log_x=True))


def views(results: EvaluationResults) -> Markup:
    """Zero-shot accuracy over the number of views."""
    lines: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in results.views:
        lines.setdefault(row.dataset, {}).setdefault(_named(row), []).append((len(row.views), 100 * row.top1))
    return _panels(
        tag(
            "div",
            tag("h3", benchmark_title(dataset)),
            line_chart([Series(name, tuple(sorted(points))) for name, points in methods.items()], "views", "top-1 %"),
        )
        for dataset, methods in lines.items()
    )


def curves(shown: Sequence[Curve]) -> Markup:
    """Training curves, one chart per panel."""
    panels: dict[str, list[Series]] = {}
    for curve in shown:
        panels.setdefault(curve.panel, []).append(Series(curve.name, curve.points))
    return _panels(tag("div", line_chart(lines, "step", panel)) for panel, lines in panels.items())


def _panels(charts: Iterable[Markup]) -> Markup:
    found = [tag("div", chart, class_="panel") for chart in charts]
    return tag("div", *found, class_="grid2") if found else _EMPTY


def provenance(data: ReportData) -> Markup:
    """Where the numbers come from, and the notes of the run."""
    entries = [("model weights", data.results.model_fingerprint), *data.provenance]
    entries += [(f"seconds, {name}", f"{seconds:.1f}") for name, seconds in data.results.seconds.items()]
    listing = tag("dl", *(tag(kind, text) for pair in entries for kind, text in zip(("dt", "dd"), pair, strict=True)))
    return joined([*(tag("p", note) for note in data.results.notes), listing])
