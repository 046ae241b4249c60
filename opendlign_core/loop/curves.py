"""Training curves as one picture, a panel beside the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from opendlign_core.loop.files import write_whole

WIDTH, HEIGHT = 520, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 48, 36
INK, GREY, PAPER = (34, 34, 34), (222, 222, 222), (255, 255, 255)
COLOURS = ((31, 119, 180), (214, 98, 20), (44, 130, 44), (148, 63, 150))

Points = list[tuple[float, float]]


class Panel(NamedTuple):
    """One set of axes: which values of which rows (`train`, `validation`) it shows, and the range of its height."""

    title: str
    kind: str
    names: tuple[str, ...]
    span: tuple[float, float] | None = None


def draw_curves(rows: Sequence[Mapping[str, Any]], panels: Sequence[Panel], path: Path) -> None:
    """Draw the rows of a metrics file as a PNG; a panel without data says so."""
    picture = Image.new("RGB", (len(panels) * WIDTH, HEIGHT), PAPER)
    for place, panel in enumerate(panels):
        _panel(ImageDraw.Draw(picture), place * WIDTH, panel.title, _series(rows, panel.kind, panel.names), panel.span)
    write_whole(path, lambda partial: picture.save(partial, format="PNG"))


def _series(rows: Sequence[Mapping[str, Any]], kind: str, names: tuple[str, ...]) -> dict[str, Points]:
    points = {
        name: [(float(row["step"]), float(row[name])) for row in rows if row["kind"] == kind and name in row]
        for name in names
    }
    return {name: values for name, values in points.items() if values}


def _panel(
    draw: ImageDraw.ImageDraw, left: int, title: str, series: Mapping[str, Points], span: tuple[float, float] | None
) -> None:
    font = ImageFont.load_default(13)
    draw.text((left + LEFT, 8), title, fill=INK, font=ImageFont.load_default(16))
    if not series:
        draw.text((left + WIDTH // 2, HEIGHT // 2), "no data", fill=INK, font=font, anchor="mm")
        return
    every = [point for points in series.values() for point in points]
    last = max(step for step, _ in every)
    low, high = span or _padded(min(value for _, value in every), max(value for _, value in every))
    _grid(draw, left, last, low, high, font)
    for index, (name, points) in enumerate(series.items()):
        colour = COLOURS[index]
        line = [_place(left, step / last, (value - low) / (high - low)) for step, value in points]
        draw.line(line, fill=colour, width=2)
        if len(line) <= 40:
            for x, y in line:
                draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
        if len(series) > 1:
            draw.text((left + LEFT + 8 + 205 * (index % 2), 26 + 14 * (index // 2) - 2), name, fill=colour, font=font)


def _grid(
    draw: ImageDraw.ImageDraw, left: int, last: float, low: float, high: float, font: ImageFont.FreeTypeFont | Any
) -> None:
    for part in range(5):
        x0, y = _place(left, 0, part / 4)
        draw.line((x0, y, left + WIDTH - RIGHT, y), fill=GREY)
        draw.text((x0 - 6, y), f"{low + (high - low) * part / 4:.3g}", fill=INK, font=font, anchor="rm")
    for share in (0.0, 0.5, 1.0):
        x, y = _place(left, share, 0)
        draw.text((x, y + 6), f"{last * share:.0f}", fill=INK, font=font, anchor="mt")
    draw.text((left + WIDTH // 2, HEIGHT - 4), "step", fill=INK, font=font, anchor="mb")


def _place(left: int, x: float, y: float) -> tuple[float, float]:
    """Pixel of a point given in shares of the plot's width and height."""
    return left + LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room
