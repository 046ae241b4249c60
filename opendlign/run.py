"""`opendlign run` and `opendlign plan`: a preset brought up to date, or told what that would take."""

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opendlign.ask import Asked, Changes, Source, StoreUrl, ask, bring_up_to_date, needs_of
from opendlign.show import console, plain, print_absent, print_outputs, print_plan, print_reports, print_requirements
from opendlign_core.articles import article
from storage.output import load_manifest

if TYPE_CHECKING:
    from flows.plan import NodeStatus

SHOWN_LABELS = 3


def run(*, preset: str = "mini", store: StoreUrl = None, set_: Changes = None, source: Source = None) -> int:
    """Bring every stage of a preset up to date, then show the benchmark and where the report is.

    What is already in the store is not built again; after a crash the same command continues.

    Parameters
    ----------
    preset
        A shipped preset (mini, mini-parts, mini-scenes, mini-pose, shapenetpart, scannet, vit-b-32, vit-b-16,
        vit-l-14, vit-h-14) or a YAML file.
    """
    started = time.monotonic()
    asked = ask(preset, store, set_, source)
    statuses = bring_up_to_date(asked)
    print_outputs(asked.store, statuses)
    print_reports(asked.store, statuses)
    console.print(f"{len(statuses)} outputs up to date after {time.monotonic() - started:.1f} s")
    print_next(asked, statuses)
    return 0


def print_next(asked: Asked, statuses: Sequence["NodeStatus"]) -> None:
    """What can be asked of a model that is there now, as it would be typed."""
    labels = _labels(asked, statuses)
    if len(labels) < 2 or not any(status.stage == "train" for status in statuses):
        return
    console.print("Next:")
    for words in (
        f"classify FILE --labels {shlex.quote(','.join(labels))} {asked.words}",
        f"search {shlex.quote(article(labels[0]))} {asked.words}",
    ):
        console.print(plain(f"  {program()} {words}"), soft_wrap=True)


def program() -> str:
    """How this command is called from here: by its name where a shell finds it, or else by its place."""
    script, found = Path(sys.executable).with_name("opendlign"), shutil.which("opendlign")
    if not script.is_file():
        return "python -m opendlign"
    if found is not None and Path(found).samefile(script):
        return "opendlign"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


def _labels(asked: Asked, statuses: Sequence["NodeStatus"]) -> list[str]:
    """A few labels of the shapes that were trained on, the most frequent first."""
    clouds = next((status for status in statuses if status.stage == "ingest"), None)
    if clouds is None:
        return []
    counted = load_manifest(asked.store, "ingest", clouds.identity.fingerprint).summary.get("labels", {})
    return sorted((label for label in counted if label), key=lambda label: (-counted[label], label))[:SHOWN_LABELS]


def plan(*, preset: str = "mini", store: StoreUrl = None, set_: Changes = None, source: Source = None) -> int:
    """Say what `run` would do, stage by stage, and why; nothing is built.

    What is not on this machine is listed with what can be done about it, and then the exit code is 2, as that of `run`
    would be; a source named with --source must be there.

    Parameters
    ----------
    preset
        A shipped preset or a YAML file.
    """
    from flows.plan import survey_graph
    from flows.requirements import obstacles
    from flows.sources import require_listings

    asked = ask(preset, store, set_, source)
    if source is not None:
        require_listings(list(asked.sources.values())[:1])
    planned = survey_graph(asked.store, asked.graph, asked.sources)
    print_plan(planned, asked.store_url)
    print_absent(asked.sources.values())
    needed = needs_of(asked, planned)
    print_requirements(needed)
    return 2 if obstacles(asked.graph, asked.sources, needed) else 0
