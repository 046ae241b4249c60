"""`opendlign compare`: two evaluations of a store, on the objects that both judged."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from opendlign.ask import StoreUrl
from opendlign.show import console, plain
from opendlign_core.errors import BadInput
from storage.inventory import outputs
from storage.lineage import lineage
from storage.output import load_manifest
from storage.records import Manifest
from storage.settings import get_settings
from storage.store import Store
from storage.stores import open_store

if TYPE_CHECKING:
    from opendlign_core.evaluation.comparison import Compared

CLASSES_SHOWN = 10


def compare(
    before: str,
    after: str,
    /,
    *,
    store: StoreUrl = None,
    page: Annotated[Path, Parameter(help="Where the page with pictures goes")] = Path("compare.html"),
) -> int:
    """Hold one evaluation against another: the difference with its paired interval, classes, and what changed sides.

    Parameters
    ----------
    before
        Fingerprint of an evaluation (a beginning is enough); `opendlign inspect evaluate` lists them.
    after
        Fingerprint of the evaluation that is held against it.
    """
    opened = open_store(store or get_settings().store)
    both = _evaluation(opened, before), _evaluation(opened, after)
    from tasks.comparison import compare_evaluations, write_comparison

    found = compare_evaluations(opened, *both)
    console.print(_methods(found))
    if found[0].classes:
        console.print(_classes(found[0]))
    write_comparison(page, opened, both, found, [_told(opened, one) for one in both])
    console.print(f"Page: {page}", soft_wrap=True)
    return 0


def _evaluation(store: Store, name: str) -> Manifest:
    start = name.removeprefix("evaluate/")
    found = [known for known in outputs(store) if known.stage == "evaluate" and known.fingerprint.startswith(start)]
    if len(found) != 1:
        raise BadInput(f"{len(found)} evaluations of {store.url} start with {start}; see `opendlign inspect evaluate`")
    return load_manifest(store, "evaluate", found[0].fingerprint)


def _told(store: Store, evaluation: Manifest) -> str:
    """Which model an evaluation judged on what, and which run it was made by, as far as the store knows."""
    from flows.history import last_run

    sources = [one.recipe["source"] for one in lineage(store, evaluation) if one.stage == "ingest"]
    data = ", ".join(dict.fromkeys(str(source["name"] or source["adapter"]) for source in sources)) or "shapes"
    trained = evaluation.upstream.get("train")
    told = f"{evaluation.fingerprint[:8]}: {data}, {f'model {trained[:8]}' if trained else 'a frozen model'}"
    if (found := last_run(store, "evaluate", evaluation.fingerprint)) is None:
        return told
    note, _ = found
    changed = f" with {', '.join(note.changes)}" if note.changes else ""
    return f"{told}, preset {note.preset}{changed}, last asked for {note.finished:%d %B %Y, %H:%M} UTC"


def _methods(found: "tuple[Compared, ...]") -> Table:
    from opendlign_core.evaluation.report.comparison_page import difference

    table = Table(title="Right, percent, of the objects that both judged")
    for title in ("data set", "method", "objects", "before", "after", "points", "won", "lost"):
        table.add_column(title, overflow="fold")
    for one in found:
        shares = (f"{100 * one.before:.1f}", f"{100 * one.after:.1f}", difference(one))
        sides = (str(len(one.won)), str(len(one.lost)))
        table.add_row(plain(one.dataset), plain(one.method), str(one.objects), *shares, *sides)
    return table


def _classes(one: "Compared") -> Table:
    table = Table("class", "objects", "before", "after", title=plain(f"Classes that changed most, {one.method}"))
    for changed in one.classes[:CLASSES_SHOWN]:
        shares = (f"{100 * share:.1f}" for share in (changed.before, changed.after))
        table.add_row(plain(changed.name), str(changed.objects), *shares)
    return table
