"""`opendlign run` and `opendlign plan`: a preset brought up to date, or told what that would take."""

import json
import time
from typing import Annotated, Any

from cyclopts import Parameter

from opendlign.show import console, print_outcome, print_plan, stage_bars
from storage.settings import get_settings
from storage.stores import open_store

LIST_SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")

Changes = Annotated[
    list[str] | None,
    Parameter(name=("--set",), help="Change a field, such as --set train.epochs=5; may be repeated", negative=()),
]
Source = Annotated[
    str | None, Parameter(help="Other shapes, as adapter:path, such as list:shapes.csv or folder:~/meshes")
]
Place = Annotated[str | None, Parameter(help="A folder or s3://bucket/prefix (default: OPENDLIGN_STORE or ./store)")]


def run(*, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None) -> int:
    """Bring every stage of a preset up to date, then show the benchmark and where the report is.

    What is already in the store is not built again; after a crash the same command continues.

    Parameters
    ----------
    preset
        A shipped preset (mini, vit-b-32, vit-b-16, vit-l-14, vit-h-14) or a YAML file.
    """
    from flows.plan import plan_chain
    from flows.preset import load_preset

    started = time.monotonic()
    place, changes = store or get_settings().store, wanted_changes(set_, source)
    chosen, opened = load_preset(preset, changes), open_store(place)
    statuses = plan_chain(opened, chosen)
    if any(status.state != "done" for status in statuses):
        print_plan(statuses, place)
        console.print("Starting the engine ...")
        from flows.regenerate import regenerate

        with stage_bars():
            regenerate(preset, place, changes)
    print_outcome(opened, statuses, time.monotonic() - started)
    return 0


def plan(*, preset: str = "mini", store: Place = None, set_: Changes = None, source: Source = None) -> int:
    """Say what `run` would do, stage by stage, and why; nothing is built.

    Parameters
    ----------
    preset
        A shipped preset or a YAML file.
    """
    from flows.plan import plan_chain
    from flows.preset import load_preset

    place = store or get_settings().store
    chosen = load_preset(preset, wanted_changes(set_, source))
    print_plan(plan_chain(open_store(place), chosen), place)
    return 0


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
