"""A few functions that build HTML strings safely: text is escaped, markup is marked as such."""

import base64
import html
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Attribute = str | int | float | bool | None
VOID = frozenset({"img", "rect", "line", "path", "circle", "meta", "br", "polygon", "link"})


class Markup(str):
    """A string that is HTML already."""

    __slots__ = ()


class Section(NamedTuple):
    """A part of the page: its anchor, its heading, and what it holds; one with an empty body is left out."""

    anchor: str
    title: str
    body: Markup


def tag(name: str, /, *children: str, **attributes: Attribute) -> Markup:
    """One element. Children that are not `Markup` are escaped; `class_` and `data_x` become `class` and `data-x`."""
    pairs = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{pairs}/>")
    return Markup(f"<{name}{pairs}>{joined(children)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """Parts in a row; those that are not `Markup` are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else html.escape(part, quote=False) for part in parts))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def table(head: Iterable[str], rows: Iterable[Iterable[str]], **attributes: Attribute) -> Markup:
    """A plain table; cells that are already `<td>` or `<tr>` markup are kept."""
    header = tag("tr", *(_cell(cell, "th") for cell in head))
    body = (row if isinstance(row, Markup) else tag("tr", *(_cell(cell, "td") for cell in row)) for row in rows)
    return tag("table", tag("thead", header), tag("tbody", *body), **attributes)


def scrolling(wide: Markup) -> Markup:
    """A table that may be wider than the page."""
    return tag("div", wide, class_="scroll")


def panels(charts: Iterable[Markup]) -> Markup:
    """Charts side by side."""
    found = [tag("div", chart, class_="panel") for chart in charts]
    return tag("div", *found, class_="grid2") if found else NOTHING


def badge(words: str, warns: bool = True) -> Markup:
    """A mark beside a name; nothing for no words."""
    return tag("span", words, class_="badge warn" if warns else "badge") if words else NOTHING


def _cell(cell: str, kind: str) -> Markup:
    if isinstance(cell, Markup) and cell.startswith(("<td", "<th")):
        return cell
    return tag(kind, cell)


def data_uri(image: NDArray[np.uint8], quality: int = 82) -> str:
    """A picture [H, W] or [H, W, 3] as a WebP data URI; `quality` 100 is lossless."""
    from PIL import Image  # kept out of what every command imports

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=quality, lossless=quality == 100, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


NOTHING = Markup("")
NO_NUMBER = tag("td", "–", class_="number")


def percent(share: float | None, digits: int = 1) -> str:
    """0.826 -> '82.6'; a dash for nothing."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


def duration(seconds: float) -> str:
    """Seconds as a person would say them."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
