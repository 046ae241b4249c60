"""Detection on the report page: AP beside published rows, kinds of errors, classes, and pictures of scenes."""

from collections.abc import Iterable, Iterator, Sequence

from opendlign_core.evaluation.detection.breakdown import KINDS
from opendlign_core.evaluation.detection.counting import OVERLAPS, DetectionResult, OverlapResult, ShownScene
from opendlign_core.evaluation.detection.published import PublishedDetection, published_detection
from opendlign_core.evaluation.findings import Estimate
from opendlign_core.evaluation.labels import fold
from opendlign_core.evaluation.report.charts import bars
from opendlign_core.evaluation.report.html import (
    NO_NUMBER,
    NOTHING,
    Markup,
    badge,
    joined,
    panels,
    percent,
    scrolling,
    table,
    tag,
)
from opendlign_core.evaluation.titles import dataset_title

Rows = Sequence[DetectionResult]
_COLUMNS = 6


def results_table(rows: Rows, with_published: bool) -> Markup:
    """Every method in the boxes of every proposer, for each data set, beside what was published for it."""
    if not rows:
        return NOTHING
    words = (
        "Percent: AP is the area below precision over recall, a mean over classes; AR is the share of things that any "
        "box of their name found. 25 and 50 are the percent of overlap that makes a box right. Intervals are over "
        "resampled scenes; above: AP25 less that of the frozen branch in the same boxes, paired over scenes."
    )
    head = ["Method", *(_numeric(name) for name in ("AP25", "AP50", "AR25", "AR50", "Above"))]
    lines = [
        line for dataset in dict.fromkeys(row.dataset for row in rows)
        for line in _dataset_lines(dataset, [row for row in rows if row.dataset == dataset], with_published)
    ]  # fmt: skip
    return joined([tag("p", words, class_="note"), scrolling(table(head, lines, id="detection-table"))])


def _dataset_lines(dataset: str, rows: Rows, with_published: bool) -> Iterator[Markup]:
    for boxes in dict.fromkeys(row.boxes for row in rows):
        yield _group(f"{dataset_title(dataset)}, boxes of {boxes}")
        yield from (_line(row) for row in rows if row.boxes == boxes)
    if with_published and _is_scannet(dataset):
        yield _group("Published, boxes of 3DETR-m")
        yield from map(_published_line, dict.fromkeys(row.method for row in published_detection()))


def _line(row: DetectionResult) -> Markup:
    near, exact = (row.overlaps[overlap] for overlap in OVERLAPS)
    recalls = (_number(one.recall) for one in (near, exact))
    return tag(
        "tr", tag("td", row.method), _found(near), _found(exact), *recalls, _cell(near.above), class_="measured"
    )


def _found(result: OverlapResult) -> Markup:
    """The mean with its interval, and where there are several draws their spread; the mean over printed classes."""
    remarks = [_range(result.precision)]
    if result.spread is not None:
        remarks.append(f"± {percent(result.spread)} over {len(result.draws)} draws")
    if result.printed is not None:
        remarks.append(f"printed classes {percent(result.printed)}")
    small = tag("small", ", ".join(word for word in remarks if word), class_="range")
    return tag("td", percent(result.precision.value), Markup(" "), small, class_="number")


def _published_line(method: str) -> Markup:
    found = {row.overlap: row.mean for row in published_detection() if row.method == method}
    cells = [tag("td", f"{found[overlap]:.1f}", class_="number") for overlap in OVERLAPS]
    name = tag("td", method, badge("published", warns=False))
    return tag("tr", name, *cells, NO_NUMBER, NO_NUMBER, NO_NUMBER, class_="published")


def errors(rows: Rows) -> Markup:
    """What the boxes of every row are, and what AP would be without one kind of error."""
    if not rows:
        return NOTHING
    words = (
        "Of the best name of every box, at an overlap of 25 %. Wrong name: the box is right, its name is not. Bad "
        "box: it overlaps a thing by 10 to 25 %. Duplicate: the thing is found already. Background: nothing is there. "
        "The bars tell what AP25 is and what it would be if one kind of error alone were mended."
    )
    return joined([tag("p", words, class_="note"), panels(map(_error_panel, rows))])


def _error_panel(row: DetectionResult) -> Markup:
    found = row.errors
    counts = ", ".join(f"{count:,} {kind}" for kind in KINDS if (count := found.detections.get(kind, 0)))
    missed = f"{found.missed:,} of {row.objects:,} things not found by name, {found.unseen:,} of them in no box."
    now = [("as it is", found.precision, percent(found.precision))]
    mended = [(f"without {kind}", value, _gain(value, found.precision)) for kind, value in found.mended.items()]
    title = tag("h3", f"{dataset_title(row.dataset)} · {row.named}")
    return joined([title, tag("p", f"Boxes: {counts or 'none'}. {missed}", class_="note"), bars([*now, *mended])])


def _gain(value: float, base: float) -> str:
    return f"{percent(value)} ({100 * (value - base):+.1f})"


def classes_table(rows: Rows, with_published: bool) -> Markup:
    """AP25 and AP50 of every class, a table for each data set and proposer."""
    kinds = dict.fromkeys((row.dataset, row.boxes) for row in rows)
    return joined(
        part for dataset, boxes in kinds
        for part in _classes([row for row in rows if (row.dataset, row.boxes) == (dataset, boxes)], with_published)
    )  # fmt: skip


def _classes(rows: Rows, with_published: bool) -> Iterator[Markup]:
    beside = published_detection() if with_published and _is_scannet(rows[0].dataset) else ()
    named = {
        method: [row for row in beside if row.method == method] for method in dict.fromkeys(r.method for r in beside)
    }
    printed = {method: found for method, found in named.items() if found[0].classes}
    heads = ["Things", *(row.method for row in rows), *(f"{method} (published)" for method in printed)]
    lines = [_class_line(place, rows, printed.values()) for place in range(len(rows[0].classes))]
    yield tag("h3", f"{dataset_title(rows[0].dataset)}, boxes of {rows[0].boxes}")
    yield tag("p", "AP25 / AP50 in percent.", class_="note")
    yield scrolling(table(["Class", *map(_numeric, heads)], lines))


def _class_line(place: int, rows: Rows, published: Iterable[Sequence[PublishedDetection]]) -> Markup:
    first = rows[0].classes[place]
    own = (row.classes[place].precision for row in rows)
    cells = [tag("td", " / ".join(percent(found[o]) for o in OVERLAPS), class_="number") for found in own]
    for method in published:
        known = [f"{row.classes[fold(first.name)]:.1f}" for row in method if fold(first.name) in row.classes]
        cells.append(tag("td", " / ".join(known), class_="number") if known else NO_NUMBER)
    return tag("tr", tag("td", first.name), tag("td", f"{first.objects:,}", class_="number"), *cells)


def scenes(rows: Rows) -> Markup:
    """Pictures of scenes, true boxes on the left and found ones on the right."""
    cards = [_card(shown) for row in rows for shown in row.shown]
    if not cards:
        return NOTHING
    words = (
        "True boxes on the left, the surest found ones with their scores on the right, in the colours of their names."
    )
    return joined([tag("p", words, class_="note"), *cards])


def _card(shown: ShownScene) -> Markup:
    title = tag("p", tag("b", shown.scene_id), f": {shown.found} of {shown.things} things found by name")
    pictures = (
        tag("img", src=picture, alt=f"true and found boxes of {shown.scene_id}, {how}", style="max-width:100%")
        for picture, how in ((shown.plan, "from above"), (shown.slanted, "in perspective"))
    )
    return tag("div", title, *pictures, class_="panel")


def _is_scannet(dataset: str) -> bool:
    return "scannet" in dataset.lower()


def _cell(estimate: Estimate | None) -> Markup:
    if estimate is None:
        return NO_NUMBER
    small = tag("small", _range(estimate), class_="range")
    return tag("td", percent(estimate.value), Markup(" "), small, class_="number")


def _range(estimate: Estimate) -> str:
    return "" if estimate.low is None else f"[{percent(estimate.low)}, {percent(estimate.high)}]"


def _number(share: float) -> Markup:
    return tag("td", percent(share), class_="number")


def _numeric(title: str) -> Markup:
    return tag("th", title, class_="number")


def _group(name: str) -> Markup:
    return tag("tr", tag("td", name, colspan=_COLUMNS), class_="group")
