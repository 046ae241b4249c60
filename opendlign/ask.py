"""What a command line asks for: preset, store and sources, all of it refused, where it must be, before the engine."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from opendlign.environment import keep_results_in
from opendlign.show import console, print_plan, stage_bars
from storage.settings import get_settings
from storage.stores import Store, open_store

if TYPE_CHECKING:
    from flows.plan import StageStatus
    from flows.preset import Preset
    from flows.sources import ListedSource

LIST_SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")

Stage = Literal["ingest", "project", "synthesize", "train", "evaluate"]
Changes = Annotated[
    list[str] | None,
    Parameter(name=("--set",), help="Change a field, such as --set train.epochs=5; may be repeated", negative=()),
]
Source = Annotated[
    str | None, Parameter(help="Other shapes, as adapter:path, such as list:shapes.csv or folder:~/meshes")
]
Place = Annotated[str | None, Parameter(help="A folder or s3://bucket/prefix (default: OPENDLIGN_STORE or ./store)")]


@dataclass(frozen=True)
class Asked:
    """What a command line asks for, as far as it can be known and refused before the engine is loaded."""

    name: str
    place: str
    changes: list[str]
    preset: "Preset"
    store: Store
    sources: tuple["ListedSource", ...]


def ask(preset: str, store: str | None, changes: list[str] | None, source: str | None) -> Asked:
    """Load the preset, open the store and list the sources; absent ones are for the caller to refuse."""
    place, wanted = store or get_settings().store, wanted_changes(changes, source)
    keep_results_in(place)
    from flows.preset import load_preset
    from flows.sources import list_sources

    chosen, opened = load_preset(preset, wanted), open_store(place)
    opened.exists("probe")  # a bucket that cannot be reached refuses here
    return Asked(preset, place, wanted, chosen, opened, list_sources(chosen))


def require_sources(asked: Asked, until: Stage = "synthesize") -> None:
    """Refuse absent sources and, where the model is to be judged, data sets without objects."""
    from flows.sources import require_judged, require_listings

    require_listings(asked.sources)
    if until == "evaluate":
        require_judged(asked.preset, asked.sources)


def bring_up_to_date(asked: Asked, until: Stage = "evaluate") -> list["StageStatus"]:
    """Build what the stages up to `until` lack, after showing the plan; returns these stages as they were before."""
    require_sources(asked, until)
    from flows.plan import STAGES, plan_chain

    wanted = STAGES[: STAGES.index(until) + 1]
    planned = plan_chain(asked.store, asked.preset, asked.sources)
    statuses = [status for status in planned if status.stage in wanted]
    if any(status.state != "done" for status in statuses):
        print_plan(statuses, asked.place)
        console.print("Starting the engine ...")
        from flows.regenerate import regenerate

        with stage_bars():
            regenerate(asked.name, asked.place, asked.changes, until=until)
    return statuses


def wanted_changes(changes: list[str] | None, source: str | None) -> list[str]:
    """The changes of a command line as preset changes, `--source` included."""
    if source is None:
        return list(changes or [])
    adapter, found, url = source.partition(":")
    if not found or not url:
        raise ValueError(f"--source {source!r}: write it as adapter:path, such as folder:~/meshes")
    # The rest of the preset's source (splits, options) belonged to other data.
    chosen: dict[str, Any] = {"adapter": adapter, "url": url}
    folder, _, name = url.rpartition("/")
    if adapter == "list" and name.endswith(LIST_SUFFIXES):
        # Uris are relative to the list, so its folder is the source.
        chosen |= {"url": folder or ("/" if url.startswith("/") else "."), "options": {"list": name}}
    return [f"ingest.source={json.dumps(chosen, ensure_ascii=False)}", *(changes or [])]
