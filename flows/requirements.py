"""What the unfinished outputs of a graph need of this machine: told with a plan, refused before a run. No Prefect."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flows.graph import Graph
from flows.plan import NodeStatus, Planned
from flows.sources import ListedSource, what_lacks
from opendlign_core.errors import BadInput
from opendlign_core.projection.recipe import ProjectionRecipe
from storage.local import LocalStore
from storage.store import Store
from tasks.requirements import Requirement, room
from tasks.stage import Views


class Unmet(BadInput):
    """Something that a run needs is not here."""


def requirements(
    store: Store,
    statuses: Iterable[Planned],
    sources: Mapping[str, ListedSource],
    executions: Mapping[str, Any],
) -> list[Requirement]:
    """Weights and devices of the stages that have work to do, each once, and room for what they write."""
    known = list(statuses)
    ahead = [status for status in known if not (isinstance(status, NodeStatus) and status.state == "done")]
    needed = dict.fromkeys(
        one for status in ahead for one in status.node.stage.requires(status.node.recipe, executions[status.stage])
    )
    return [*needed, *_room(store, ahead, sources, _views(known))]


def obstacles(graph: Graph, sources: Mapping[str, ListedSource], needed: Sequence[Requirement]) -> list[str]:
    """All that keeps a graph from being made here, a sentence each: what its sources lack and what is not here."""
    return [*what_lacks(graph, sources), *(one.problem for one in needed if one.problem)]


def require(graph: Graph, sources: Mapping[str, ListedSource], needed: Sequence[Requirement]) -> None:
    """Refuse a graph that cannot be made here, with all that keeps it from it.

    Raises:
        Unmet: naming everything that is lacking.
    """
    if found := obstacles(graph, sources, needed):
        raise Unmet("; ".join(found))


def _views(statuses: Iterable[Planned]) -> Views:
    recipes = (status.node.recipe for status in statuses if isinstance(status.node.recipe, ProjectionRecipe))
    return next((Views(len(recipe.views), recipe.image_size) for recipe in recipes), Views(0, 0))


def _room(
    store: Store, ahead: Sequence[Planned], sources: Mapping[str, ListedSource], views: Views
) -> Iterator[Requirement]:
    """Only of stores in folders, for all objects that the sources list."""
    objects = sum(len(source.listing.entries) for source in sources.values() if source.listing is not None)
    each = {status.stage: status.node.stage.bytes_each(status.node.recipe, views) for status in ahead}
    if isinstance(store, LocalStore) and (wanted := objects * sum(each.values())):
        yield room(store.url, wanted)
