"""What every stage took and came to."""

from collections.abc import Sequence

from opendlign_core.evaluation.report.data import StageCost
from opendlign_core.evaluation.report.html import NOTHING, Markup, duration, joined, scrolling, table, tag


def stages(rows: Sequence[StageCost]) -> Markup:
    """Time, throughput, size and money of every stage."""
    if not rows:
        return NOTHING
    priced = [row for row in rows if row.cost_per_hour is not None]
    titles = ("Objects", "Rejected", "Time", "Objects/s", "Output", *(("Cost",) if priced else ()))
    head = ["Stage", *(tag("th", title, class_="number") for title in titles)]
    words = f"{duration(sum(row.seconds for row in rows))} of computing over all stages"
    if priced:
        words += f", {_money(sum(map(_cost, priced)), priced[0].currency)}"
    lines = (_stage_row(row, bool(priced)) for row in rows)
    return joined([tag("p", f"{words}.", class_="note"), scrolling(table(head, lines, id="cost-table"))])


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
