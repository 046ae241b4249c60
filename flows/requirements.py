"""What the unfinished outputs of a graph need of this machine: told with a plan, refused before a run. No Prefect."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flows.plan import NodeStatus, Planned
from flows.sources import ListedSource
from opendlign_core.errors import BadInput
from storage.local import LocalStore
from storage.store import Store
from tasks.requirements import Requirement, room


class Unmet(BadInput):
    """Something that a run needs is not here."""


def requirements(
    store: Store,
    statuses: Iterable[Planned],
    sources: Mapping[str, ListedSource],
    executions: Mapping[str, Any],
) -> list[Requirement]:
    """Weights and devices of the stages that have work to do, each once, and room for what they write."""
    ahead = [status for status in statuses if not (isinstance(status, NodeStatus) and status.state == "done")]
    needed = dict.fromkeys(
        one for status in ahead for one in status.node.stage.requires(status.node.recipe, executions[status.stage])
    )
    return [*needed, *_room(store, ahead, sources)]


def require(needed: Sequence[Requirement]) -> None:
    """Raise `Unmet` with all that is not here."""
    if problems := [one.problem for one in needed if one.problem]:
        raise Unmet("; ".join(problems))


def _room(store: Store, ahead: Sequence[Planned], sources: Mapping[str, ListedSource]) -> Iterator[Requirement]:
    """Only of stores in folders, for clouds and depth maps of all objects that the sources list."""
    objects = sum(len(source.listing.entries) for source in sources.values() if source.listing is not None)
    each = {status.stage: status.node.stage.bytes_each(status.node.recipe) for status in ahead}
    if isinstance(store, LocalStore) and (wanted := objects * sum(each.values())):
        yield room(store.url, wanted)
