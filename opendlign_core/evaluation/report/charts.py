"""Charts as inline SVG. Colours come from the page's style sheet, so they follow light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.evaluation.report.html import Markup, data_uri, joined, tag

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 40
_COLOURS = 6
_NAME_LETTERS = 28
"""Of a class beside a confusion matrix."""
_LABELLED_CLASSES = 48
"""Above this many classes a confusion matrix is a picture without names."""


@dataclass(frozen=True)
class Series:
    """One line. `spread` draws a band of that half-height; `published` draws it dashed and muted."""

    name: str
    points: tuple[tuple[float, float], ...]
    spread: tuple[float, ...] = ()
    published: bool = False


def line_chart(series: Sequence[Series], x_title: str, y_title: str, log_x: bool = False) -> Markup:
    """Lines over shared axes with a legend below; series without points are skipped."""
    shown = [line for line in series if line.points]
    if not shown:
        return Markup("")
    frame = _Frame.around(shown, log_x)
    marks = joined(_line(line, index, frame) for index, line in enumerate(shown))
    drawing = tag(
        "svg",
        frame.axes(x_title, y_title),
        marks,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{y_title} over {x_title}",
    )
    return tag("figure", drawing, legend([(line.name, _line_class(line, i)) for i, line in enumerate(shown)]))


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Names beside their colours."""
    keys = (tag("span", tag("i", class_=f"key {kind}"), name) for name, kind in entries)
    return tag("figcaption", *keys, class_="legend")


@dataclass(frozen=True)
class _Frame:
    low_x: float
    high_x: float
    low_y: float
    high_y: float
    log_x: bool

    @classmethod
    def around(cls, series: Sequence[Series], log_x: bool) -> "_Frame":
        xs = [x for line in series for x, _ in line.points]
        ys = [y + sign * half for line in series for (_, y), half in _with_spread(line) for sign in (-1, 1)]
        low, high = min(ys), max(ys)
        margin = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
        floor = 0.0 if low >= 0 and low < 0.35 * high else low - margin
        return cls(min(xs), max(xs), floor, high + margin, log_x and min(xs) > 0)

    def x(self, value: float) -> float:
        low, high, at = (math.log(v) if self.log_x else v for v in (self.low_x, self.high_x, value))
        return round(LEFT + (at - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT), 2)

    def y(self, value: float) -> float:
        share = (value - self.low_y) / ((self.high_y - self.low_y) or 1)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 2)

    def axes(self, x_title: str, y_title: str) -> Markup:
        parts = []
        for value in _ticks(self.low_y, self.high_y):
            at = self.y(value)
            parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
            parts.append(tag("text", f"{value:g}", x=LEFT - 6, y=at + 3.5, class_="tick end"))
        below = HEIGHT - BOTTOM + 15
        parts += [tag("text", f"{v:g}", x=self.x(v), y=below, class_="tick middle") for v in self._x_ticks()]
        centre, middle = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        parts.append(tag("text", x_title, x=centre, y=HEIGHT - 6, class_="axis middle"))
        turned = f"rotate(-90 12 {middle})"
        parts.append(tag("text", y_title, x=12, y=middle, transform=turned, class_="axis middle"))
        return joined(parts)

    def _x_ticks(self) -> list[float]:
        if not self.log_x:
            return _ticks(self.low_x, self.high_x)
        steps = range(math.floor(math.log2(self.low_x)), math.floor(math.log2(self.high_x)) + 1)
        return [2.0**step for step in steps if self.low_x <= 2.0**step <= self.high_x]


def _line(line: Series, index: int, frame: _Frame) -> Markup:
    kind = _line_class(line, index)
    path = "M" + "L".join(f"{frame.x(x)} {frame.y(y)}" for x, y in line.points)
    parts = []
    if line.spread:
        upper = [(x, y + half) for (x, y), half in _with_spread(line)]
        lower = [(x, y - half) for (x, y), half in _with_spread(line)][::-1]
        corners = " ".join(f"{frame.x(x)},{frame.y(y)}" for x, y in (*upper, *lower))
        parts.append(tag("polygon", points=corners, class_=f"band {kind}"))
    parts.append(tag("path", d=path, class_=f"line {kind}"))
    if len(line.points) <= 24:
        parts += [_dot(line.name, x, y, kind, frame) for x, y in line.points]
    return joined(parts)


def _dot(name: str, x: float, y: float, kind: str, frame: _Frame) -> Markup:
    title = tag("title", f"{name}: {y:.4g} at {x:g}")
    return tag("g", tag("circle", cx=frame.x(x), cy=frame.y(y), r=3, class_=f"dot {kind}"), title)


def _line_class(line: Series, index: int) -> str:
    """One of six colours; the lines after the sixth are dashed, so that no two look alike."""
    dashes = " dashed" if index >= _COLOURS and not line.published else ""
    return f"c{index % _COLOURS}{dashes}{' published' if line.published else ''}"


def _with_spread(line: Series) -> list[tuple[tuple[float, float], float]]:
    return list(zip(line.points, line.spread or (0.0,) * len(line.points), strict=True))


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values inside [low, high], about `count` of them."""
    span = high - low
    if span <= 0:
        return [low]
    raw = span / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(magnitude * unit for unit in (1, 2, 2.5, 5, 10) if magnitude * unit >= raw)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(number * step, 12) for number in range(first, last + 1)]


def bars(rows: Sequence[tuple[str, float, str]]) -> Markup:
    """Horizontal bars: (name, share in 0..1, text at the end)."""
    items = (
        tag(
            "li",
            tag("span", name, class_="bar-name", title=name),
            tag("span", tag("i", style=f"width:{100 * max(0.0, min(1.0, share)):.2f}%"), class_="bar"),
            tag("span", note, class_="bar-note"),
        )
        for name, share, note in rows
    )
    return tag("ul", *items, class_="bars")


def shortened(name: str, letters: int) -> str:
    """A name that fits: its end is kept, because that is where long names differ.

    >>> shortened("lamp", 12), shortened("set/of/many/lamps-0001", 12)
    ('lamp', '…/lamps-0001')
    """
    return name if len(name) <= letters else f"…{name[1 - letters :]}"


def confusion_chart(counts: NDArray[np.int64], classes: Sequence[str]) -> Markup:
    """Rows are true classes, columns predictions, darkness the share of the row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if len(classes) > _LABELLED_CLASSES:
        shade = (255 * (1 - np.sqrt(shares))).astype(np.uint8)
        size = max(len(classes), 480)
        picture = tag("img", src=data_uri(shade, quality=100), width=size, class_="pixelated", alt="confusion matrix")
        return tag("figure", picture, class_="scroll")
    return tag("figure", _confusion_svg(counts, shares, classes), class_="scroll")


def _confusion_svg(counts: NDArray[np.int64], shares: NDArray[np.float64], classes: Sequence[str]) -> Markup:
    cell = 16 if len(classes) > 20 else 22
    names = [shortened(name, _NAME_LETTERS) for name in classes]
    margin = 8 + 6 * max(map(len, names))
    size = len(classes) * cell
    parts = [tag("rect", x=margin, y=margin, width=size, height=size, class_="plate")]
    for row, column in zip(*np.nonzero(counts), strict=True):
        words = f"{classes[row]} taken for {classes[column]}: {counts[row, column]} of {counts[row].sum()}"
        where = {
            "x": margin + int(column) * cell,
            "y": margin + int(row) * cell,
            "width": cell - 1,
            "height": cell - 1,
        }
        kind = "cell hit" if row == column else "cell miss"
        square = tag("rect", **where, class_=kind, fill_opacity=f"{0.12 + 0.88 * shares[row, column]:.3f}")
        parts.append(tag("g", square, tag("title", words)))
    for index, name in enumerate(names):
        middle = margin + index * cell + cell / 2
        parts.append(tag("text", name, x=margin - 5, y=middle + 3.5, class_="tick end"))
        turned = f"rotate(-90 {middle + 3.5} {margin - 5})"
        parts.append(tag("text", name, x=middle + 3.5, y=margin - 5, transform=turned, class_="tick"))
    full = margin + size + 4
    return tag("svg", *parts, viewBox=f"0 0 {full} {full}", width=full, role="img", aria_label="confusion matrix")
