"""Pose on the report page: every way of telling it, groups of categories, and what was published."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources

from opendlign_core.evaluation.findings import Estimate
from opendlign_core.evaluation.pose.counting import GroupResult, PoseResult
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
from opendlign_core.evaluation.titles import dataset_title

Rows = Sequence[PoseResult]
TASKS = {
    "probe": "Published: linear probes, the head chosen on the reported photos",
    "novel": "Published: novel categories",
    "joint": "Published: category and pose together",
}


@cache
def published_poses() -> tuple[dict[str, str], ...]:
    """ImageNet3D's tables of accuracy within 30 degrees, in percent: task, model, average and seven groups."""
    file = resources.files("opendlign_core.evaluation.pose") / "tables" / "published.csv"
    return tuple(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def methods_table(rows: Rows, with_published: bool) -> Markup:
    """Every way of telling poses on every data set, with the groups of categories beside it."""
    if not rows:
        return NOTHING
    words = (
        "Percent of photos whose pose is less than 30 or 10 degrees off, and the median error in degrees. A probe is "
        "a linear layer on features of a frozen encoder. Both: the category is right and the pose less than 30 off."
    )
    tables = [part for name in dict.fromkeys(row.dataset for row in rows) for part in _dataset(name, rows)]
    published = [_published()] if with_published and any(_is_imagenet3d(row.dataset) for row in rows) else []
    return joined([tag("p", words, class_="note"), *tables, *published])


def _dataset(dataset: str, rows: Rows) -> Iterator[Markup]:
    found = [row for row in rows if row.dataset == dataset]
    groups = list(dict.fromkeys(group.name for row in found for group in row.groups))
    head = [
        "Method",
        *map(_numeric, ("Photos", "Within 30", "Within 10", "Median", "Category", "Both", *groups)),
        "How",
    ]
    yield tag("h3", dataset_title(dataset))
    yield scrolling(table(head, [_line(row, groups) for row in found]))


def _line(row: PoseResult, groups: Iterable[str]) -> Markup:
    by_name = {group.name: group for group in row.groups}
    name = tag("td", row.method, badge("head chosen on these photos" if row.chosen_on_reported else ""))
    numbers = (_cell(row.within_30), _cell(row.within_10), _number(f"{row.median:.1f}"))
    joint = (NO_NUMBER if one is None else _cell(one) for one in (row.named, row.aware))
    grouped = (_share(by_name.get(group)) for group in groups)
    kind = "published" if row.kind == "baseline" else "measured"
    return tag("tr", name, _number(f"{row.photos:,}"), *numbers, *joint, *grouped, tag("td", row.remark), class_=kind)


def categories_table(rows: Rows) -> Markup:
    """Accuracy within 30 degrees of every category by every method; a table for each data set."""
    return joined(part for name in dict.fromkeys(row.dataset for row in rows) for part in _categories(name, rows))


def _categories(dataset: str, rows: Rows) -> Iterator[Markup]:
    found = [row for row in rows if row.dataset == dataset]
    columns = [{one.name: one for one in row.categories} for row in found]
    names = sorted({name for column in columns for name in column})
    lines = [
        tag("tr", tag("td", name), _number(f"{photos:,}"), *(_share(column.get(name)) for column in columns))
        for name in names
        for photos in [next(column[name].photos for column in columns if name in column)]
    ]
    yield tag("h3", dataset_title(dataset))
    yield scrolling(table(["Category", *map(_numeric, ("Photos", *(row.method for row in found)))], lines))


def _published() -> Markup:
    heads = [name for name in published_poses()[0] if name != "task"]
    lines = []
    for task, title in TASKS.items():
        lines.append(tag("tr", tag("td", title, colspan=len(heads)), class_="group"))
        for row in published_poses():
            if row["task"] == task:
                numbers = (_number(row[name]) for name in heads[1:])
                lines.append(tag("tr", tag("td", row["model"]), *numbers, class_="published"))
    return scrolling(table(["Model", *map(_numeric, heads[1:])], lines))


def _is_imagenet3d(dataset: str) -> bool:
    return "".join(letter for letter in dataset.lower() if letter.isalnum()) == "imagenet3d"


def _share(group: GroupResult | None) -> Markup:
    return NO_NUMBER if group is None else _number(percent(group.within_30))


def _cell(estimate: Estimate) -> Markup:
    interval = "" if estimate.low is None else f"[{percent(estimate.low)}, {percent(estimate.high)}]"
    return tag("td", percent(estimate.value), Markup(" "), tag("small", interval, class_="range"), class_="number")


def _number(text: str) -> Markup:
    return tag("td", text, class_="number")


def _numeric(title: str) -> Markup:
    return tag("th", title, class_="number")
