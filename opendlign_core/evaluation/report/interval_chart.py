"""Shares with their intervals, one row for each method: the one chart of the first screen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opendlign_core.evaluation.report.charts import shortened
from opendlign_core.evaluation.report.html import Markup, joined, percent, tag

_WIDTH, _NAMES, _NOTES = 600, 140, 215
_ROW, _GROUP, _AXIS = 34, 30, 26
_NAME_LETTERS = 21


@dataclass(frozen=True)
class IntervalRow:
    """A share with its interval; `frozen` draws it muted, as what the others are held against."""

    group: str
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    """What stands at the end of the row."""
    frozen: bool = False


def interval_chart(rows: Sequence[IntervalRow], title: str) -> Markup:
    """Rows from top to bottom, under the name of their group where there are several groups."""
    several = len({row.group for row in rows}) > 1
    parts, at, group = [], 6, ""
    for row in rows:
        if several and row.group != group:
            at += _GROUP
            parts.append(tag("text", row.group, x=0, y=at - 8, class_="axis"))
        parts.append(_row(row, at + _ROW / 2))
        at, group = at + _ROW, row.group
    drawing = joined([*_axis(at), *parts])
    named = {"role": "img", "aria_label": title}
    return tag("svg", drawing, viewBox=f"0 0 {_WIDTH} {at + _AXIS}", id="first-chart", **named)


def _axis(bottom: float) -> Iterator[Markup]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield tag("line", x1=_x(share), x2=_x(share), y1=4, y2=bottom, class_="grid")
        yield tag("text", f"{percent(share, 0)} %", x=_x(share), y=bottom + 16, class_="tick middle")


def _row(row: IntervalRow, middle: float) -> Markup:
    kind = "c5" if row.frozen else "c0"
    parts = [tag("text", shortened(row.name, _NAME_LETTERS), x=_NAMES - 12, y=middle + 4, class_="axis end")]
    if row.low is not None and row.high is not None:
        ends = {"x1": _x(row.low), "x2": _x(row.high), "y1": middle, "y2": middle}
        parts.append(tag("line", **ends, class_=f"whisker {kind}"))
    told = tag("title", f"{row.name}: {percent(row.value)} %")
    parts.append(tag("g", tag("circle", cx=_x(row.value), cy=middle, r=5, class_=f"dot {kind}"), told))
    words = [tag("tspan", percent(row.value), class_="strong"), f"  {row.note}"]
    parts.append(tag("text", *words, x=_WIDTH - _NOTES + 22, y=middle + 4, class_="axis"))
    return joined(parts)


def _x(share: float) -> float:
    return round(_NAMES + share * (_WIDTH - _NAMES - _NOTES), 1)
