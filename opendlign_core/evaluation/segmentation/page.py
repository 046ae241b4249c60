"""Parts on the report page: the answers beside baselines and bounds, the categories, and pictures of shapes."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources

from opendlign_core.evaluation.findings import SEARCHED_ON_TEST, Estimate
from opendlign_core.evaluation.labels import fold
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
from opendlign_core.evaluation.segmentation.counting import CategoryResult, SegmentationResult, ShownShape
from opendlign_core.evaluation.titles import dataset_title
from opendlign_core.pictures import css_colour

Rows = Sequence[SegmentationResult]

_KINDS = {
    "answer": "Answers",
    "baseline": "What no model is needed for",
    "bound": "What the best words, patches and pixels would give",
}


@cache
def published_miou() -> dict[str, float]:
    """Category of ShapeNetPart -> mean IoU that PointCLIP V2 published, in percent; it has none for cars."""
    file = resources.files("opendlign_core.evaluation.segmentation") / "tables" / "published.csv"
    lines = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {line["category"]: float(line["miou"]) for line in lines}


def answers_table(rows: Rows) -> Markup:
    """Every answer, baseline and bound with its mean IoUs, for each data set and method."""
    if not rows:
        return NOTHING
    head = ["Answer", *(_numeric(name) for name in ("Instance mIoU", "Category mIoU", "Points right", "Above"))]
    words = (
        "Percent. Instance mIoU is the mean over shapes, category mIoU the mean over the categories' means. A part "
        "that is neither there nor found counts as 1. Above: instance mIoU less that of the best constant answer."
    )
    lines = [
        line for dataset, method in dict.fromkeys((row.dataset, row.method) for row in rows)
        for line in _lines([row for row in rows if (row.dataset, row.method) == (dataset, method)])
    ]  # fmt: skip
    return joined([tag("p", words, class_="note"), scrolling(table(head, lines, id="parts-table"))])


def _lines(rows: Rows) -> Iterator[Markup]:
    yield _group(f"{dataset_title(rows[0].dataset)} · {rows[0].method}", 5)
    for kind, title in _KINDS.items():
        found = [row for row in rows if row.kind == kind]
        if found and kind != "answer":
            yield _group(title, 5)
        yield from map(_line, found)


def _line(row: SegmentationResult) -> Markup:
    above = row.above.get("best constant")
    name = tag("td", row.answer, badge(SEARCHED_ON_TEST if row.searched_on_test else ""))
    cells = (_cell(one) for one in (row.instance, row.category, row.accuracy, above))
    return tag("tr", name, *cells, class_="measured" if row.kind == "answer" else "published")


def categories_table(rows: Rows, with_published: bool) -> Markup:
    """Mean IoU of every category by every answer, beside what was published for it; a table for each data set."""
    answers = [row for row in rows if row.kind == "answer"]
    datasets = dict.fromkeys(row.dataset for row in answers)
    return joined(
        part for name in datasets
        for part in _categories(name, [row for row in answers if row.dataset == name], with_published)
    )  # fmt: skip


def _categories(dataset: str, rows: Rows, with_published: bool) -> Iterator[Markup]:
    published = published_miou() if with_published and _is_published(dataset) else {}
    titles = [row.answer if len({one.method for one in rows}) == 1 else row.named for row in rows]
    heads = ["Shapes", *titles, *(["Published"] if published else [])]
    names = sorted({one.name for row in rows for one in row.categories})
    lines = [_category_line(name, rows, published) for name in names]
    words = "Percent, mean over the shapes of a category, and the parts of the first answer."
    if published:
        words += " Published numbers are PointCLIP V2's, whose sentences were chosen on the test split."
    yield tag("h3", dataset_title(dataset))
    yield tag("p", words, class_="note")
    yield scrolling(table(["Category", *map(_numeric, heads), "Parts"], lines))


def _is_published(dataset: str) -> bool:
    return "".join(letter for letter in dataset.lower() if letter.isalnum()) == "shapenetpart"


def _category_line(name: str, rows: Rows, published: Mapping[str, float]) -> Markup:
    found = [next((one for one in row.categories if one.name == name), None) for row in rows]
    first = next(one for one in found if one is not None)
    cells = [NO_NUMBER if one is None else _cell(one.miou) for one in found]
    if published:
        known = published.get(fold(name))
        cells.append(NO_NUMBER if known is None else tag("td", f"{known:.1f}", class_="number"))
    number = tag("td", f"{first.objects:,}", class_="number")
    return tag("tr", tag("td", name), number, *cells, tag("td", tag("small", _parts(first))))


def _parts(result: CategoryResult) -> str:
    return ", ".join(f"{name} {percent(iou, 0)}" for name, iou in result.parts.items())


def shapes(rows: Rows) -> Markup:
    """Shapes of the first answers with their true parts on the left and the found ones on the right."""
    names = {one.name: tuple(one.parts) for row in rows for one in row.categories}
    cards = [_card(one, names[one.category]) for row in rows for one in row.shown]
    if not cards:
        return NOTHING
    words = tag("p", "True parts on the left, found ones on the right, in the same colours.", class_="note")
    return joined([words, tag("div", *cards, class_="shots")])


def _card(shown: ShownShape, names: Sequence[str]) -> Markup:
    words = tag("p", tag("b", f"{shown.place}: {shown.category}"), f" IoU {percent(shown.iou)}")
    picture = tag("img", src=shown.picture, alt=f"true and found parts of {shown.object_id}")
    legend = tag("div", *(_named(part, name) for part, name in enumerate(names)), class_="legend")
    return tag("div", picture, words, legend, tag("p", tag("code", shown.object_id)), class_="shot")


def _named(part: int, name: str) -> Markup:
    return tag("span", name, style=f"border-left: 10px solid {css_colour(part)}; padding-left: 5px")


def _cell(estimate: Estimate | None) -> Markup:
    if estimate is None:
        return NO_NUMBER
    interval = "" if estimate.low is None else f"[{percent(estimate.low)}, {percent(estimate.high)}]"
    return tag("td", percent(estimate.value), Markup(" "), tag("small", interval, class_="range"), class_="number")


def _numeric(title: str) -> Markup:
    return tag("th", title, class_="number")


def _group(name: str, columns: int) -> Markup:
    return tag("tr", tag("td", name, colspan=columns), class_="group")
