"""The sources of a graph: what each of them lists or, where one is not there, why and how to name it.

Imports no Prefect, so that a command can refuse before the engine is loaded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flows.graph import Graph, Node
from flows.preset import Preset, source_name
from opendlign_core.errors import BadInput
from opendlign_core.ingestion import IngestRecipe, WrongLayout
from storage.errors import StorageError
from tasks.listing import SourceListing


class SourceAbsent(BadInput):
    """A source that a run needs is not there; the message names it and how to name another place."""


@dataclass(frozen=True)
class ListedSource:
    """One source of a graph with what it lists, or the reason why it lists nothing."""

    recipe: IngestRecipe
    listing: SourceListing | None
    problem: str = ""
    absent: bool = False
    """Whether it is not where it is looked for, rather than there and unusable."""

    @property
    def name(self) -> str:
        return source_name(self.recipe)


def list_sources(preset: Preset, graph: Graph | None = None) -> dict[str, ListedSource]:
    """What every source of a graph lists (by default the preset's own), by node; each is listed once."""
    starts = [node for node in (graph or preset.graph).nodes if not node.stage.reads and not node.output]
    looked = {node.name: _look(node) for node in starts}
    return {name: _with_remedy(source, preset, looked.values()) for name, source in looked.items()}


def require_listings(sources: Iterable[ListedSource]) -> tuple[SourceListing, ...]:
    """What the sources list; all of them must be there.

    Raises:
        SourceAbsent: naming every source that is not.
    """
    looked = list(sources)
    if lacking := [source for source in looked if source.listing is None]:
        raise SourceAbsent(_absence(lacking))
    return tuple(source.listing for source in looked if source.listing is not None)


def require_usable(graph: Graph, sources: Mapping[str, ListedSource]) -> None:
    """Refuse sources that are absent, and those that a stage of the graph can make nothing of.

    Raises:
        SourceAbsent: naming what is lacking and what there is.
    """
    if lacking := what_lacks(graph, sources):
        raise SourceAbsent("; ".join(lacking))


def what_lacks(graph: Graph, sources: Mapping[str, ListedSource]) -> list[str]:
    """Why a graph cannot be made of its sources: those that are absent or, where all are there, what they lack."""
    listed = [sources[node.name] for node in graph.nodes if node.name in sources]
    if absent := [source for source in listed if source.listing is None]:
        return [_absence(absent)]
    there = {(entry.source, entry.split) for listing in require_listings(listed) for entry in listing.entries}
    found = (node.stage.lacks(node.recipe, there) for node in graph.nodes if not node.output)
    return [lacking for lacking in found if lacking]


def _absence(lacking: Sequence[ListedSource]) -> str:
    state = "absent" if any(source.absent for source in lacking) else "no use as given"
    count = f"a source is {state}" if len(lacking) == 1 else f"{len(lacking)} sources are {state}"
    return f"{count}: {'; '.join(f'{source.name}: {source.problem}' for source in lacking)}"


def _look(node: Node) -> ListedSource:
    try:
        return ListedSource(node.recipe, node.stage.listed(node.recipe))
    except (OSError, StorageError, WrongLayout) as error:
        return ListedSource(node.recipe, None, str(error), absent=True)
    except BadInput as error:
        return ListedSource(node.recipe, None, str(error))


def _with_remedy(source: ListedSource, preset: Preset, every: Iterable[ListedSource]) -> ListedSource:
    """The problem of an absent source with what can be done about it."""
    if not source.absent:
        return source
    benchmarks = [source_name(recipe) for recipe in preset.benchmarks]
    if source.name not in benchmarks:
        remedy = "name its place with --set ingest.source.url=PATH, or other shapes with --source ADAPTER:PATH"
        return replace(source, problem=f"{source.problem}; {remedy}")
    there = [other.name for other in every if other.listing is not None and other.name in benchmarks]
    option = f"--set benchmarks.{source.name}.source.url=PATH"
    without = f"--set benchmarks=[{','.join(there)}]"
    return replace(source, problem=f"{source.problem}; name its place with {option}, or do without: {without}")
