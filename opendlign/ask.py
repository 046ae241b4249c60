"""What a command line asks for: preset, store and sources, all of it refused, where it must be, before the engine."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from opendlign.engine import engine
from opendlign.show import console, plain, print_plan, print_reports, stage_bars
from opendlign_core.errors import BadInput
from storage.output import load_manifest
from storage.settings import get_settings
from storage.store import Store
from storage.stores import open_store
from tasks.errors import OutputRefused

if TYPE_CHECKING:
    from flows.graph import Graph
    from flows.plan import NodeStatus, Planned
    from flows.preset import Preset
    from flows.sources import ListedSource
    from tasks.guard import Headlines
    from tasks.requirements import Requirement

OWN_DATA = ("folder", "list")
"""Adapters of shapes that nobody has published numbers on."""
LIST_SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")

Changes = Annotated[
    list[str] | None,
    Parameter(name=("--set",), help="Change a field, such as --set train.epochs=5; may be repeated", negative=()),
]
Source = Annotated[
    str | None, Parameter(help="Other shapes, as adapter:path, such as list:shapes.csv or folder:~/meshes")
]
StoreUrl = Annotated[
    str | None, Parameter(help="A folder or s3://bucket/prefix (default: OPENDLIGN_STORE or ./store)")
]

AtLeastOne = Parameter(validator=validators.Number(gte=1))


@dataclass(frozen=True)
class Asked:
    """What a command line asks for, as far as it can be known and refused before the engine is loaded."""

    name: str
    store_url: str
    changes: list[str]
    until: str
    preset: "Preset"
    graph: "Graph"
    """The outputs that are asked for and all that they are made from."""
    store: Store
    sources: Mapping[str, "ListedSource"]
    """By node; each is listed once."""
    words: str
    """The options that name this run, as they would be typed."""


def ask(preset: str, store: str | None, changes: list[str] | None, source: str | None, until: str = "") -> Asked:
    """Load the preset, open the store and list the sources; absent ones are for the caller to refuse.

    `until` names the last stage that is wanted; without it every output of the preset is.
    """
    from flows.series import load_series
    from flows.sources import list_sources

    store_url, wanted = store or get_settings().store, wanted_changes(changes, source)
    chosen = load_series(preset, wanted, stages=[until] if until else [])
    graph = chosen.graph.until(until) if until else chosen.graph
    opened = open_store(store_url)
    opened.exists("probe")  # a bucket that cannot be reached refuses here
    listed, words = list_sources(chosen, graph), spelled(preset, store, changes or [], source)
    return Asked(preset, store_url, wanted, until, chosen, graph, opened, listed, words)


def bring_up_to_date(asked: Asked) -> list["NodeStatus"]:
    """Build what is asked for and lacking, after showing the plan; returns the outputs as they were before.

    Raises:
        BadInput: something that the run needs is not here; names all of it.
        OutputRefused: results are not good enough; they were shown all the same.
    """
    from flows.plan import NodeStatus, survey_graph
    from flows.requirements import require
    from tasks.guard import accepted_headlines

    planned = survey_graph(asked.store, asked.graph, asked.sources)
    require(asked.graph, asked.sources, needs_of(asked, planned))
    statuses = [found for found in planned if isinstance(found, NodeStatus)]  # all are known where no source is absent
    accepted = accepted_headlines(asked.store, asked.preset.name)
    with refusals_shown(asked.store, statuses):
        if any(status.state != "done" for status in statuses):
            print_plan(statuses, asked.store_url)
            _regenerate(asked)
        else:
            _look_again(asked, statuses)
    _say_unguarded(asked, statuses, accepted)
    return statuses


def needs_of(asked: Asked, statuses: Iterable["Planned"]) -> list["Requirement"]:
    """What the unfinished outputs need of this machine."""
    from flows.requirements import requirements

    return requirements(asked.store, statuses, asked.sources, asked.preset.executions)


@contextmanager
def refusals_shown(store: Store, statuses: Sequence["NodeStatus"]) -> Iterator[None]:
    """Where the block refuses results, print them before that goes on."""
    try:
        yield
    except OutputRefused:
        print_reports(store, statuses)
        raise


def _regenerate(asked: Asked) -> None:
    console.print("Starting the engine ...")
    with engine():
        from flows.regenerate import regenerating

        with stage_bars() as listener:
            run = regenerating(listener, asked.sources)
            run(asked.name, asked.store_url, asked.changes, until=asked.until or None)


def _look_again(asked: Asked, statuses: Sequence["NodeStatus"]) -> None:
    """What a run does where everything is up to date, without an engine."""
    from flows.history import note_run
    from flows.series import accept_finished

    note_run(asked.store, asked.name, asked.changes, statuses)
    accept_finished(asked.store, asked.preset, statuses)


def _say_unguarded(asked: Asked, statuses: Sequence["NodeStatus"], accepted: "Headlines") -> None:
    """Where other objects or classes are judged than before, nothing was compared: a fall would go unseen."""
    from tasks.evaluate import verdict_of
    from tasks.guard import unguarded

    for status in statuses if accepted else ():
        if status.stage == "evaluate":
            manifest = load_manifest(asked.store, status.stage, status.identity.fingerprint)
            for dataset in unguarded(accepted, verdict_of(asked.store, manifest).headlines()):
                words = f"{dataset}: nothing to compare with, other objects or classes were accepted before"
                console.print(plain(words), soft_wrap=True)


def spelled(preset: str, store: str | None, changes: Sequence[str], source: str | None) -> str:
    """The options of a run as they would be typed, quoted for a shell.

    >>> spelled("mini", None, ["train.epochs=5"], "folder:my meshes")
    "--preset mini --source 'folder:my meshes' --set train.epochs=5"
    """
    named = {"--preset": preset, "--source": source, "--store": store}
    given = [(option, value) for option, value in named.items() if value]
    return shlex.join(word for pair in (*given, *(("--set", change) for change in changes)) for word in pair)


def wanted_changes(changes: list[str] | None, source: str | None) -> list[str]:
    """The changes of a command line as preset changes, `--source` included."""
    if source is None:
        return list(changes or [])
    adapter, found, url = source.partition(":")
    if not found or not url:
        raise BadInput(f"--source {source!r}: write it as adapter:path, such as folder:~/meshes")
    # The rest of the preset's source (splits, options) belonged to other data.
    chosen: dict[str, Any] = {"adapter": adapter, "url": url}
    folder, _, name = url.rpartition("/")
    if adapter == "list" and name.endswith(LIST_SUFFIXES):
        # Uris are relative to the list, so its folder is the source.
        chosen |= {"url": folder or ("/" if url.startswith("/") else "."), "options": {"list": name}}
    spelled_out = [f"ingest.source={json.dumps(chosen, ensure_ascii=False)}"]
    # Published data sets are sampled as they are in the papers.
    drawn = ["ingest.sampling=stratified"] if adapter in OWN_DATA else []
    return [*spelled_out, *drawn, *(changes or [])]
