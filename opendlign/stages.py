"""One verb per stage: bring that stage of a preset up to date, with the stages it reads."""

from typing import Literal

from opendlign.run import Changes, Place, Source, wanted_changes
from opendlign.shapes import Model
from opendlign.show import console, print_evaluation, stage_bars
from storage.settings import get_settings
from storage.stores import open_store

Stage = Literal["ingest", "project", "synthesize", "train", "evaluate"]


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
    from flows.judge import judge
    from opendlign.models import find_trained

    place = store or get_settings().store
    opened = open_store(place)
    trained = find_trained(opened, model)
    with stage_bars():
        found = judge(trained.fingerprint, preset, place, wanted_changes(changes, source))
    print_evaluation(opened, found)
    return 0


def _until(stage: Stage, preset: str, store: str | None, changes: list[str] | None, source: str | None) -> int:
    from flows.regenerate import regenerate

    place = store or get_settings().store
    with stage_bars():
        found = regenerate(preset, place, wanted_changes(changes, source), until=stage)
    console.print(f"{stage}/{found[stage]} is complete in {place}", soft_wrap=True)
    return 0
