"""One verb per stage: bring that stage of a preset up to date, with the stages it reads."""

from opendlign.ask import Changes, Place, Source, Stage, ask, bring_up_to_date, wanted_changes
from opendlign.environment import keep_results_in
from opendlign.shapes import Model
from opendlign.show import print_evaluation, print_outputs, stage_bars
from storage.settings import get_settings
from storage.stores import open_store


def ingest(*, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None) -> int:
    """Read the shapes of a preset's sources into shards of clouds."""
    return _until("ingest", preset, store, set_, source)


def project(*, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None) -> int:
    """Project a preset's clouds to depth maps, after ingesting what is missing."""
    return _until("project", preset, store, set_, source)


def synthesize(*, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None) -> int:
    """Paint a preset's depth maps, after the stages it reads."""
    return _until("synthesize", preset, store, set_, source)


def train(*, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None) -> int:
    """Train a preset's depth branch, after the stages it reads."""
    return _until("train", preset, store, set_, source)


def evaluate(
    *, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None, model: Model = ""
) -> int:
    """Judge a preset's model, after the stages it reads; another model of the store with --model."""
    if model:
        return _judge(model, preset, store, set_, source)
    return _until("evaluate", preset, store, set_, source)


def _judge(model: str, preset: str, store: str | None, changes: list[str] | None, source: str | None) -> int:
    place, wanted = store or get_settings().store, wanted_changes(changes, source)
    keep_results_in(place)
    from flows.preset import load_preset
    from flows.sources import list_judged, require_judged
    from opendlign.models import find_trained

    chosen, opened = load_preset(preset, wanted), open_store(place)
    trained = find_trained(opened, model)
    require_judged(chosen, list_judged(chosen))
    from flows.judge import judge

    with stage_bars():
        found = judge(trained.fingerprint, preset, place, wanted)
    print_evaluation(opened, found)
    return 0


def _until(stage: Stage, preset: str, store: str | None, changes: list[str] | None, source: str | None) -> int:
    asked = ask(preset, store, changes, source)
    statuses = bring_up_to_date(asked, stage)
    print_outputs(asked.store, statuses)
    if stage == "evaluate":
        print_evaluation(asked.store, statuses[-1].identity.fingerprint)
    return 0
