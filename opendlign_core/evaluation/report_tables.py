"""The tables of the report: measured rows first, published rows muted and marked."""

from collections.abc import Sequence

from opendlign_core.evaluation.html import Markup, duration, joined, percent, table, tag
from opendlign_core.evaluation.published import (
    BENCHMARK_TITLES,
    PublishedRow,
    benchmark_key,
    benchmark_title,
    published_few_shot,
    published_zero_shot,
)
from opendlign_core.evaluation.report_data import StageCost
from opendlign_core.evaluation.results import Estimate, FewShotResult, RetrievalResult, ZeroShotResult

_EMPTY = Markup("")
_NOTHING = tag("td", "–", class_="number")


def zero_shot(rows: Sequence[ZeroShotResult], with_published: bool) -> Markup:
    """Methods against data sets, top-1 / top-3 / top-5 in percent."""
    if not rows:
        return _EMPTY
    measured = list(dict.fromkeys(row.dataset for row in rows))
    keys = {benchmark_key(name) for name in measured}
    datasets = [*measured, *(name for name in BENCHMARK_TITLES if with_published and name not in keys)]
    methods = dict.fromkeys(row.method for row in rows)
    found = {(row.method, row.dataset): row for row in rows}
    lines = [_group("Measured here", len(datasets)), *(_measured(method, datasets, found) for method in methods)]
    if with_published:
        lines += [_group("Published", len(datasets)), *(_published(row, datasets) for row in published_zero_shot())]
    head = ["Method", *(tag("th", benchmark_title(name), class_="number") for name in datasets)]
    words = "Percent, top-1 / top-3 / top-5."
    if with_published:
        words += " Published rows (with encoder and training shapes) are the OpenDlign paper's, not measured here."
    return joined(
        [tag("p", words, class_="note"), tag("div", table(head, lines, id="zero-shot-table"), class_="scroll")]
    )


def _scrolling(wide: Markup) -> Markup:
    return tag("div", wide, class_="scroll")


def _group(name: str, columns: int) -> Markup:
    return tag("tr", tag("td", name, colspan=columns + 1), class_="group")


def _measured(method: str, datasets: Sequence[str], found: dict[tuple[str, str], ZeroShotResult]) -> Markup:
    cells = [_measured_cell(found.get((method, dataset))) for dataset in datasets]
    marked = any(row.searched_on_test for (name, _), row in found.items() if name == method)
    badge = tag("span", "searched on test labels", class_="badge warn") if marked else _EMPTY
    return tag("tr", tag("td", method, badge), *cells, class_="measured")


def _measured_cell(row: ZeroShotResult | None) -> Markup:
    if row is None:
        return _NOTHING
    words = " / ".join(percent(estimate.value) for estimate in (row.top1, row.top3, row.top5))
    return tag("td", words, Markup(" "), tag("small", _range(row.top1), class_="range"), class_="number")


def _range(estimate: Estimate) -> str:
    return "" if estimate.low is None else f"[{percent(estimate.low)}, {percent(estimate.high)}]"


def _published(row: PublishedRow, datasets: Sequence[str]) -> Markup:
    cells = [
        tag("td", " / ".join(f"{value:.1f}" for value in row.scores[key]), class_="number")
        if key in row.scores
        else _NOTHING
        for key in map(benchmark_key, datasets)
    ]
    origin = tag("small", f" {row.encoder}, {row.trained_on}")
    return tag(
        "tr", tag("td", row.method, origin, tag("span", "published", class_="badge")), *cells, class_="published"
    )


def few_shot(rows: Sequence[FewShotResult], with_published: bool) -> Markup:
    """Mean and deviation over seeds for every number of shots."""
    datasets = dict.fromkeys(row.dataset for row in rows)
    return joined(_few_shot_of(name, rows, with_published) for name in datasets)


def _few_shot_of(dataset: str, rows: Sequence[FewShotResult], with_published: bool) -> Markup:
    own = [row for row in rows if row.dataset == dataset]
    shots = sorted({row.shots for row in own})
    lines = []
    for method in dict.fromkeys(row.method for row in own):
        by_shots = {row.shots: row for row in own if row.method == method}
        cells = (_few_shot_cell(by_shots.get(count)) for count in shots)
        lines.append(tag("tr", tag("td", method), *cells, class_="measured"))
    for method, points in (published_few_shot().get(benchmark_key(dataset), {}) if with_published else {}).items():
        cells = (
            tag("td", f"{points[count]:.1f}", class_="number") if count in points else _NOTHING for count in shots
        )
        name = tag("td", method, tag("span", "published", class_="badge"))
        lines.append(tag("tr", name, *cells, class_="published"))
    head = [benchmark_title(dataset), *(tag("th", f"{count}-shot", class_="number") for count in shots)]
    return _scrolling(table(head, lines))


def _few_shot_cell(row: FewShotResult | None) -> Markup:
    if row is None:
        return _NOTHING
    return tag("td", percent(row.mean), tag("small", f" ± {percent(row.std)}"), class_="number")


def retrieval(rows: Sequence[RetrievalResult]) -> Markup:
    """Recall and mean average precision in percent, per data set and kind of query."""
    if not rows:
        return _EMPTY
    ranks = sorted({rank for row in rows for rank in row.recall})
    titles = ("Queries", "Gallery", *(f"R@{rank}" for rank in ranks), "mAP")
    head = ["Data set", "Query", *(tag("th", title, class_="number") for title in titles)]
    lines = (_retrieval_row(row, ranks) for row in rows)
    return _scrolling(table(head, lines))


def _retrieval_row(row: RetrievalResult, ranks: Sequence[int]) -> Markup:
    shares = (*(row.recall.get(rank) for rank in ranks), row.mean_average_precision)
    numbers = (f"{row.queries:,}", f"{row.gallery:,}", *(percent(share) for share in shares))
    cells = (tag("td", number, class_="number") for number in numbers)
    return tag("tr", tag("td", benchmark_title(row.dataset)), tag("td", f"{row.query} → shape"), *cells)


def stages(rows: Sequence[StageCost]) -> Markup:
    """Time, throughput, size and money of every stage."""
    if not rows:
        return _EMPTY
    titles = ("Objects", "Rejected", "Time", "Objects/s", "Output", "Cost")
    head = ["Stage", "Device", *(tag("th", title, class_="number") for title in titles)]
    total = sum(row.seconds for row in rows)
    words = tag("p", f"{duration(total)} of computing over all stages.", class_="note")
    return joined(
        [words, tag("div", table(head, (_stage_row(row) for row in rows), id="cost-table"), class_="scroll")]
    )


def _stage_row(row: StageCost) -> Markup:
    speed = f"{row.objects / row.seconds:,.1f}" if row.seconds > 0 else "–"
    money = "–" if row.cost_per_hour is None else f"{row.cost_per_hour * row.seconds / 3600:,.2f} {row.currency}"
    size = f"{row.megabytes:,.1f} MB" if row.megabytes else "–"
    numbers = (f"{row.objects:,}", f"{row.rejected:,}", duration(row.seconds), speed, size, money)
    cells = (tag("td", number, class_="number") for number in numbers)
    return tag("tr", tag("td", row.stage), tag("td", row.device), *cells)
