"""Zero-shot results on the report page: measured rows beside published ones, and the classes of the primary method."""

from collections.abc import Iterable, Sequence

import numpy as np

from opendlign_core.evaluation.classification.counting import ClassResult, ZeroShotResult
from opendlign_core.evaluation.classification.published import PublishedRow, published_zero_shot
from opendlign_core.evaluation.findings import SEARCHED_ON_TEST, Estimate
from opendlign_core.evaluation.report.charts import bars, confusion_chart
from opendlign_core.evaluation.report.html import (
    NO_NUMBER,
    NOTHING,
    Markup,
    badge,
    joined,
    percent,
    scrolling,
    table,
    tag,
)
from opendlign_core.evaluation.titles import TITLES, dataset_key, dataset_title

_BARS = 60
_PUBLISHED = "Published rows (with encoder and training shapes) are the OpenDlign paper's, not measured here."


def results_table(rows: Sequence[ZeroShotResult], with_published: bool) -> Markup:
    """Methods against data sets, top-1 / top-3 / top-5 in percent.

    Published numbers stand in the same table where they are about one of the data sets, else aside.
    """
    if not rows:
        return NOTHING
    measured = list(dict.fromkeys(row.dataset for row in rows))
    keys = {dataset_key(name) for name in measured}
    beside = with_published and any(key in TITLES for key in keys)
    datasets = [*measured, *(name for name in TITLES if beside and name not in keys)]
    found = {(row.method, row.dataset): row for row in rows}
    methods = dict.fromkeys(row.method for row in rows)
    lines = [_group("Measured here", len(datasets)), *(_measured(method, datasets, found) for method in methods)]
    note = "Percent, top-1 / top-3 / top-5."
    if beside:
        lines += [_group("Published", len(datasets)), *_published_lines(datasets)]
        note += f" {_PUBLISHED}"
    own = scrolling(table(_head(datasets), lines, id="zero-shot-table"))
    return joined([tag("p", note, class_="note"), own, _aside() if with_published and not beside else NOTHING])


def _aside() -> Markup:
    """The published table, folded away: none of its data sets was judged here."""
    names = list(TITLES)
    body = scrolling(table(_head(names), _published_lines(names), id="published-table"))
    title = tag("summary", "Published numbers on other data sets")
    return tag("details", title, tag("p", _PUBLISHED, class_="note"), body)


def _head(datasets: Iterable[str]) -> list[str]:
    return ["Method", *(tag("th", dataset_title(name), class_="number") for name in datasets)]


def _published_lines(datasets: Sequence[str]) -> list[Markup]:
    return [_published(row, datasets) for row in published_zero_shot()]


def _group(name: str, columns: int) -> Markup:
    return tag("tr", tag("td", name, colspan=columns + 1), class_="group")


def _measured(method: str, datasets: Sequence[str], found: dict[tuple[str, str], ZeroShotResult]) -> Markup:
    cells = [_measured_cell(found.get((method, dataset))) for dataset in datasets]
    marked = any(row.searched_on_test for (name, _), row in found.items() if name == method)
    return tag("tr", tag("td", method, badge(SEARCHED_ON_TEST if marked else "")), *cells, class_="measured")


def _measured_cell(row: ZeroShotResult | None) -> Markup:
    if row is None:
        return NO_NUMBER
    words = " / ".join(percent(estimate.value) for estimate in (row.top1, row.top3, row.top5))
    return tag("td", words, Markup(" "), tag("small", _range(row.top1), class_="range"), class_="number")


def _range(estimate: Estimate) -> str:
    return "" if estimate.low is None else f"[{percent(estimate.low)}, {percent(estimate.high)}]"


def _published(row: PublishedRow, datasets: Sequence[str]) -> Markup:
    cells = [
        tag("td", " / ".join(f"{value:.1f}" for value in row.scores[key]), class_="number")
        if key in row.scores
        else NO_NUMBER
        for key in map(dataset_key, datasets)
    ]
    origin = tag("small", f" {row.encoder}, {row.trained_on}")
    return tag("tr", tag("td", row.method, origin, badge("published", warns=False)), *cells, class_="published")


def class_panels(rows: Iterable[ZeroShotResult]) -> Markup:
    """Per-class bars and the confusion matrix of a row for every data set."""
    return joined(_class_panel(row) for row in rows)


def _class_panel(row: ZeroShotResult) -> Markup:
    ranked = sorted((c for c in row.classes if c.objects), key=lambda c: (-c.top1, c.name))
    shown = ranked if len(ranked) <= _BARS else [*ranked[: _BARS // 2], *ranked[-_BARS // 2 :]]
    method = f"{row.method} ({SEARCHED_ON_TEST})" if row.searched_on_test else row.method
    words = f"Top-1 per class, {method}."
    if len(ranked) < len(row.classes):
        words += f" {len(ranked)} of {len(row.classes)} classes have objects to be judged on."
    if len(shown) < len(ranked):
        words += f" The best and the worst {_BARS // 2} of {len(ranked)} classes."
    title = tag("h3", dataset_title(row.dataset))
    return tag("div", title, tag("p", words, class_="note"), _class_bars(shown), _confusion(row), class_="panel")


def _class_bars(shown: Iterable[ClassResult]) -> Markup:
    return bars([(c.name, c.top1, f"{percent(c.top1)} % of {c.objects}") for c in shown])


def _confusion(row: ZeroShotResult) -> Markup:
    matrix = confusion_chart(np.asarray(row.confusion, np.int64), [c.name for c in row.classes])
    hint = tag("p", "Rows are true classes, columns predictions; strength is the share of the row.", class_="note")
    return tag("details", tag("summary", "Confusion matrix"), hint, matrix, open=True)
