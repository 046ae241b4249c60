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
    return tag("tr", tag("td", method, searched_badge(marked)), *cells, class_="measured")


def searched_badge(marked: bool) -> Markup:
    """The mark of everything that depends on a search which saw the answers."""
    return tag("span", "searched on test labels", class_="badge warn") if marked else _EMPTY


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
    shown = (percent(share if row.queries else None) for share in shares)
    numbers = (f"{row.queries:,}", f"{row.gallery:,}", *shown)
    cells = (tag("td", number, class_="number") for number in numbers)
    query = tag("td", f"{row.query} → shape", searched_badge(row.searched_on_test))
    return tag("tr", tag("td", benchmark_title(row.dataset)), query, *cells)


def stages(rows: Sequence[StageCost]) -> Markup:
    """Time, throughput, size and money of every stage."""
    if not rows:
        return _EMPTY
    priced = [row for row in rows if row.cost_per_hour is not None]
    titles = ("Objects", "Rejected", "Time", "Objects/s", "Output", *(("Cost",) if priced else ()))
    head = ["Stage", *(tag("th", title, class_="number") for title in titles)]
    words = f"{duration(sum(row.seconds for row in rows))} of computing over all stages"
    if priced:
        words += f", {_money(sum(map(_cost, priced)), priced[0].currency)}"
    lines = (_stage_row(row, bool(priced)) for row in rows)
    return joined(
        [tag("p", f"{words}.", class_="note"), tag("div", table(head, lines, id="cost-table"), class_="scroll")]
    )


def _cost(row: StageCost) -> float:
    return (row.cost_per_hour or 0.0) * row.seconds / 3600


def _money(amount: float, currency: str) -> str:
    return f"{amount:,.2f} {currency}".rstrip()


def _stage_row(row: StageCost, with_cost: bool) -> Markup:
    speed = f"{row.objects / row.seconds:,.1f}" if row.seconds > 0 else "–"
    size = f"{row.megabytes:,.1f} MB" if row.megabytes else "–"
    money = "–" if row.cost_per_hour is None else _money(_cost(row), row.currency)
    numbers = (f"{row.objects:,}", f"{row.rejected:,}", duration(row.seconds), speed, size)
    cells = (tag("td", number, class_="number") for number in (*numbers, *((money,) if with_cost else ())))
    return tag("tr", tag("td", row.stage), *cells)
