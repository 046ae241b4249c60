"""One verb per stage: bring that stage of a preset up to date, with the stages it reads."""

from collections.abc import Callable

from opendlign.ask import Changes, Source, StoreUrl, ask, bring_up_to_date
from opendlign.show import print_outputs, print_reports
from tasks.registry import STAGES
from tasks.stage import AnyStage

Verb = Callable[..., int]


def until(stage: str, preset: str, store: str | None, changes: list[str] | None, source: str | None) -> int:
    """Bring a stage of a preset up to date and say what there is."""
    asked = ask(preset, store, changes, source, until=stage)
    statuses = bring_up_to_date(asked)
    print_outputs(asked.store, statuses)
    print_reports(asked.store, statuses)
    return 0


def verb_of(stage: AnyStage) -> Verb:
    """The console's verb for a stage."""

    def verb(*, preset: str = "mini", store: StoreUrl = None, set_: Changes = None, source: Source = None) -> int:
        return until(stage.name, preset, store, set_, source)

    verb.__name__ = stage.name
    verb.__doc__ = f"{stage.about.rstrip('.')}, after the stages that it reads."
    return verb


VERBS: dict[str, Verb] = {stage.name: verb_of(stage) for stage in STAGES}
