"""Two evaluations on one page: the difference with its interval, the classes, and pictures that changed sides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from opendlign_core.evaluation.comparison import Change, ClassChange, Compared
from opendlign_core.evaluation.report.data import UInt8
from opendlign_core.evaluation.report.html import NOTHING, Markup, Section, data_uri, joined, percent, table, tag
from opendlign_core.evaluation.report.interval_chart import IntervalRow, interval_chart
from opendlign_core.evaluation.report.page import whole_page
from opendlign_core.evaluation.titles import dataset_title

MOST_PICTURES = 24
"""Of each side; a page with more of them nobody looks through."""


@dataclass(frozen=True)
class ComparisonData:
    """Everything on the page; the first method is told in full."""

    before: str
    after: str
    compared: tuple[Compared, ...]
    pictures: Mapping[str, UInt8] = field(default_factory=dict)
    """Depth views [H, W] of objects that changed sides, by id."""
    told: tuple[str, ...] = ()
    """What is known of both, such as preset and date, a line each."""


def render_comparison(data: ComparisonData) -> str:
    """The page as one HTML text, self-contained as the report is."""
    first = data.compared[0]
    sections = [
        Section("classes", "Classes that changed", class_table(first.classes)),
        Section("won", f"Right only in {data.after}", _shots(first.won, data.pictures)),
        Section("lost", f"Right only in {data.before}", _shots(first.lost, data.pictures)),
    ]
    datasets = ", ".join(dict.fromkeys(dataset_title(one.dataset) for one in data.compared))
    title = f"{datasets[0].upper()}{datasets[1:]}: {data.after} against {data.before}"
    return whole_page(title, _header(title, data), sections)


def _header(title: str, data: ComparisonData) -> Markup:
    """Title, what both are, what came of the first method, and one chart beside the numbers of all of them."""
    rows = [row for one in data.compared for row in _rows(one, data)]
    caption = (
        "Percent named right of the objects that both judged; behind it the difference, with its paired interval."
    )
    figure = tag("figure", interval_chart(rows, "share named right"), tag("figcaption", caption))
    lines = [line for words in data.told for line in (words, tag("br"))]
    verdict = tag("p", outcome(data.compared[0]), class_=f"verdict {_kind(data.compared[0])}")
    both = tag("div", tag("div", figure, class_="panel"), tag("div", _sides(data), class_="panel"), class_="first")
    return tag("header", tag("h1", title), tag("p", *lines, class_="lead"), verdict, both)


def _sides(data: ComparisonData) -> Markup:
    """How many objects changed sides, by method; the chart has the shares."""
    head = ["Method", *(tag("th", name, class_="number") for name in ("Objects", "Won", "Lost", "Left out"))]
    lines = (
        tag("tr", tag("td", one.method), *map(_number, (f"{count:,}" for count in _counts(one))))
        for one in data.compared
    )
    return table(head, lines, id="changed-sides")


def _counts(one: Compared) -> tuple[int, ...]:
    return one.objects, len(one.won), len(one.lost), one.left_out


def _rows(one: Compared, data: ComparisonData) -> Iterable[IntervalRow]:
    group = f"{dataset_title(one.dataset)} · {one.method}"
    yield IntervalRow(group, data.before, one.before, frozen=True)
    yield IntervalRow(group, data.after, one.after, note=difference(one))


def difference(one: Compared) -> str:
    """`+1.2 (0.3 to 2.1)`: points, with the paired interval."""
    low, high = one.share.low, one.share.high
    spread = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{100 * one.share.value:+.1f}{spread}"


def outcome(one: Compared) -> str:
    """What came of one method on one data set, in a sentence."""
    verdict = {"good": "Better", "bad": "Worse", "unclear": "No difference is shown"}[_kind(one)]
    words = (
        f"{verdict}: {one.method} on {dataset_title(one.dataset)} went from {percent(one.before)} % to "
        f"{percent(one.after)} %, {difference(one)} points over {one.objects:,} common objects; {len(one.won):,} won, "
        f"{len(one.lost):,} lost."
    )
    return f"{words} {one.left_out:,} objects that only one of them judged are left out." if one.left_out else words


def _kind(one: Compared) -> str:
    low, high = one.share.low, one.share.high
    if low is None or high is None or low <= 0 <= high:
        return "unclear"
    return "good" if low > 0 else "bad"


def class_table(classes: Sequence[ClassChange]) -> Markup:
    """The classes whose share changed, the largest changes first."""
    if not classes:
        return NOTHING
    head = ["Class", *(tag("th", name, class_="number") for name in ("Objects", "Before", "After", "Change"))]
    lines = (tag("tr", tag("td", one.name), *map(_number, _cells(one))) for one in classes)
    return table(head, lines, id="class-changes")


def _cells(one: ClassChange) -> tuple[str, ...]:
    change = f"{100 * (one.after - one.before):+.1f}"
    return f"{one.objects:,}", percent(one.before), percent(one.after), change


def _number(words: str) -> Markup:
    return tag("td", words, class_="number")


def _shots(changes: Sequence[Change], pictures: Mapping[str, UInt8]) -> Markup:
    cards = [_shot(change, pictures.get(change.object_id)) for change in changes[:MOST_PICTURES]]
    if not cards:
        return NOTHING
    rest = len(changes) - len(cards)
    note = tag("p", f"{rest:,} more are not shown.", class_="note") if rest else NOTHING
    return joined([tag("div", *cards, class_="shots"), note])


def _shot(change: Change, picture: UInt8 | None) -> Markup:
    drawn = NOTHING if picture is None else tag("img", src=data_uri(picture), alt=f"views of {change.object_id}")
    words = tag(
        "p", tag("b", change.label), f": {change.before} → {change.after}", class_="hit" if change.won else "miss"
    )
    return tag("div", drawn, words, tag("p", tag("code", change.object_id)), class_="shot")
