"""`opendlign evaluate`: a preset's own model judged, or any other of the store."""

from typing import TYPE_CHECKING

from opendlign.ask import refusals_shown
from opendlign.engine import engine
from opendlign.models import Which, find_trained
from opendlign.show import console, print_plan, print_reports, stage_bars
from opendlign.stages import until
from opendlign_core.errors import BadInput

if TYPE_CHECKING:
    from storage.records import Manifest
    from storage.store import Store

LAST_RUN = Which()


def evaluate(*, which: Which = LAST_RUN) -> int:
    """Judge a preset's model, after the stages it reads; another model of the store with --model.

    Without a preset, the benchmarks are those of the store's last run or, for a model that is named, of the last run
    that made it.
    """
    store = which.open()
    trained = find_trained(store, which.model) if which.model else None
    preset, changes = _benchmarks(store, which, trained)
    if trained is None:
        return until("evaluate", preset, which.store, changes, None)
    return _judge(store, trained, preset, changes)


def _benchmarks(store: "Store", which: Which, trained: "Manifest | None") -> tuple[str, list[str]]:
    """The preset that says what to judge on, with its changes."""
    from flows.history import last_run

    if which.names_a_run:
        return which.chosen, which.changes
    found = last_run(store, "train", trained.fingerprint) if trained else last_run(store, "evaluate")
    if found is not None:
        note, _ = found
        console.print(f"Benchmarks: preset {note.preset}, the last run of {store.url}", soft_wrap=True)
        return note.preset, list(note.changes)
    if trained is not None:
        raise BadInput(
            f"no run of {store.url} made {trained.folder}: name the preset whose benchmarks are to judge it, such as "
            "--preset vit-b-32"
        )
    return which.chosen, which.changes


def _judge(store: "Store", trained: "Manifest", preset: str, changes: list[str]) -> int:
    from flows.judge import judging, judging_graph
    from flows.plan import plan_graph
    from flows.preset import load_preset
    from flows.sources import list_sources, require_usable

    chosen = load_preset(preset, changes)
    graph = judging_graph(chosen, trained.fingerprint)
    sources = list_sources(chosen, graph)
    require_usable(graph, sources)
    statuses = plan_graph(store, graph, sources)
    print_plan(statuses, store.url)
    with refusals_shown(store, statuses), engine(), stage_bars() as listener:
        judging(listener, sources)(trained.fingerprint, preset, store.url, changes)
    print_reports(store, statuses)
    return 0
