"""What the tests of flows ask of a preset and a store."""

from pathlib import Path

from flows.plan import NodeStatus, plan_graph
from flows.preset import load_preset
from flows.sources import list_sources
from storage.stores import open_store


def planned(store: Path, preset: str, changes: list[str] | None = None) -> list[NodeStatus]:
    """The plan of a preset in a store, as a run would make it."""
    chosen = load_preset(preset, changes or [])
    return plan_graph(open_store(store), chosen.graph, list_sources(chosen))


def fingerprints(store: Path, preset: str) -> dict[str, str]:
    """The fingerprint of the first output of each stage."""
    return {status.stage: status.identity.fingerprint for status in reversed(planned(store, preset))}
