"""`opendlign evaluate`: a preset's own model judged, or any other of the store."""

from opendlign.ask import Changes, Source, StoreUrl, wanted_changes
from opendlign.shapes import Model
from opendlign.show import print_report, stage_bars
from opendlign.stages import until
from storage.settings import get_settings
from storage.stores import open_store


def evaluate(
    *, preset: str = "mini", store: StoreUrl = None, set_: Changes = None, source: Source = None, model: Model = ""
) -> int:
    """Judge a preset's model, after the stages it reads; another model of the store with --model."""
    if not model:
        return until("evaluate", preset, store, set_, source)
    from flows.judge import judging, judging_graph
    from flows.preset import load_preset
    from flows.sources import list_sources, require_usable
    from opendlign.models import find_trained

    store_url, wanted = store or get_settings().store, wanted_changes(set_, source)
    chosen, opened = load_preset(preset, wanted), open_store(store_url)
    trained = find_trained(opened, model)
    graph = judging_graph(chosen, trained.fingerprint)
    sources = list_sources(chosen, graph)
    require_usable(graph, sources)
    with stage_bars() as listener:
        found = judging(listener, sources)(trained.fingerprint, preset, store_url, wanted)
    print_report(opened, "evaluate", found)
    return 0
