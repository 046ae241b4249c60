"""`opendlign run` and `opendlign plan`: a preset brought up to date, or told what that would take."""

import time

from opendlign.ask import Changes, Place, Source, ask, bring_up_to_date
from opendlign.show import print_absent, print_outcome, print_outputs, print_plan


def run(*, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None) -> int:
    """Bring every stage of a preset up to date, then show the benchmark and where the report is.

    What is already in the store is not built again; after a crash the same command continues.

    Parameters
    ----------
    preset
        A shipped preset (mini, vit-b-32, vit-b-16, vit-l-14, vit-h-14) or a YAML file.
    """
    started = time.monotonic()
    asked = ask(preset, store, set_, source)
    statuses = bring_up_to_date(asked)
    print_outputs(asked.store, statuses)
    print_outcome(asked.store, statuses, time.monotonic() - started)
    return 0


def plan(*, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None) -> int:
    """Say what `run` would do, stage by stage, and why; nothing is built.

    Sources that are not on this machine are listed with what is missing; a source named with --source must be there.

    Parameters
    ----------
    preset
        A shipped preset or a YAML file.
    """
    from flows.sources import require_listings

    asked = ask(preset, store, set_, source)
    if source is not None:
        require_listings(asked.sources[:1])
    from flows.plan import survey_chain

    print_plan(survey_chain(asked.store, asked.preset, asked.sources), asked.place)
    print_absent(asked.sources)
    return 0
