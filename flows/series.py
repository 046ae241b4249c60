"""Which results are compared with each other, and the guard over finished outputs. Free of Prefect."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from flows.plan import NodeStatus
from flows.preset import Preset, load_preset
from storage.fingerprint import digest
from storage.output import load_manifest
from storage.store import Store


def load_series(name: str, changes: Sequence[str] = (), *, stages: Sequence[str] = ()) -> Preset:
    """The preset with its changes, under a name of its own where other outputs follow from these.

    Results are compared with earlier ones of the same name, and those of other recipes are no regression of it. How
    a change is spelled, and what changes no recipe, make no difference.
    """
    chosen = load_preset(name, changes, stages=stages)
    recipes = _recipes(chosen) if changes else {}
    if not changes or recipes == _recipes(load_preset(name, stages=stages)):
        return chosen
    return replace(chosen, name=f"{chosen.name}-{digest(recipes)[:8]}")


def _recipes(preset: Preset) -> dict[str, Any]:
    return {node.name: node.output or node.stage.fingerprinted(node.recipe) for node in preset.graph.nodes}


def accept_finished(store: Store, series: Preset, statuses: Iterable[NodeStatus]) -> None:
    """Refuse again what was refused when it was made: nothing is accepted by asking twice.

    Raises:
        OutputRefused: an output that is finished is not good enough.
    """
    for status in statuses:
        if status.state == "done" and not status.node.output:
            stage, manifest = status.node.stage, load_manifest(store, status.stage, status.identity.fingerprint)
            stage.accept(store, manifest, series.executions[stage.name], series.name)
