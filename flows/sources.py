"""The sources of a preset: what each of them lists or, where one is not there, why and how to name it.

Imports no Prefect, so that a command can refuse before the engine is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows.preset import Preset, source_name
from opendlign_core.ingestion import IngestRecipe, WrongLayout
from storage.errors import StorageError
from tasks.listing import SourceListing, list_source


class SourceAbsent(ValueError):
    """A source that a run needs is not there; the message names it and how to name another place."""


@dataclass(frozen=True)
class ListedSource:
    """One source of a preset with what it lists, or the reason why it lists nothing."""

    recipe: IngestRecipe
    listing: SourceListing | None
    problem: str = ""

    @property
    def name(self) -> str:
        return source_name(self.recipe)


def list_training_source(preset: Preset) -> ListedSource:
    """The source whose shapes are painted and trained on."""
    remedy = "name its place with --set ingest.source.url=PATH, or other shapes with --source ADAPTER:PATH"
    return _with_remedy(_look(preset.ingest), remedy)


def list_benchmarks(preset: Preset) -> tuple[ListedSource, ...]:
    """The sources that are only evaluated; none where the training source's own test split is."""
    looked = [_look(recipe) for recipe in preset.benchmarks]
    without = f"--set benchmarks=[{','.join(source.name for source in looked if source.listing is not None)}]"
    return tuple(
        _with_remedy(
            source, f"name its place with --set benchmarks.{source.name}.source.url=PATH, or do without: {without}"
        )
        for source in looked
    )


def list_sources(preset: Preset) -> tuple[ListedSource, ...]:
    """Every source of a preset: the training source first."""
    return (list_training_source(preset), *list_benchmarks(preset))


def list_judged(preset: Preset) -> tuple[ListedSource, ...]:
    """The sources that a model is judged on without being trained: the benchmarks, or else the training source."""
    return list_benchmarks(preset) or (list_training_source(preset),)


def require_listings(sources: Sequence[ListedSource]) -> tuple[SourceListing, ...]:
    """What the sources list; all of them must be there.

    Raises:
        SourceAbsent: naming every source that is not.
    """
    absent = [f"{source.name}: {source.problem}" for source in sources if source.listing is None]
    if absent:
        count = "a source is absent" if len(absent) == 1 else f"{len(absent)} sources are absent"
        raise SourceAbsent(f"{count}: {'; '.join(absent)}")
    return tuple(source.listing for source in sources if source.listing is not None)


def require_judged(preset: Preset, sources: Sequence[ListedSource]) -> None:
    """Refuse a data set of the evaluation that none of these sources has an object for.

    Raises:
        SourceAbsent: naming the data set and what there is.
    """
    found = {(entry.source, entry.split) for listing in require_listings(sources) for entry in listing.entries}
    for dataset in preset.evaluate.datasets:
        splits = {split for source, split in found if not dataset.sources or source in dataset.sources}
        if not splits or dataset.split not in (*splits, None):
            there = ", ".join(sorted(f"{source} has {split or 'no split'}" for source, split in found))
            raise SourceAbsent(
                f"nothing to judge {dataset.name} on, no object is in the split {dataset.split} ({there}). Draw one "
                "with --set ingest.source.options.train_share=0.75 (adapters folder and list), change "
                "evaluate.datasets, or stop at `opendlign train`"
            )


def _look(recipe: IngestRecipe) -> ListedSource:
    try:
        return ListedSource(recipe, list_source(recipe))
    except (OSError, WrongLayout, StorageError) as error:
        return ListedSource(recipe, None, str(error))


def _with_remedy(source: ListedSource, remedy: str) -> ListedSource:
    return source if source.listing is not None else replace(source, problem=f"{source.problem}; {remedy}")
