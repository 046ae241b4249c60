"""Every adapter by name, and `list_entries`, the one way in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from opendlign_core.ingestion.adapters.spec import Adapter, entries_of
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.recipe import SourceSpec

PROCEDURAL = "procedural"

_ALL: tuple[Adapter, ...] = ()

ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in _ALL}


def adapter_named(name: str) -> Adapter:
    """The adapter of that name; ValueError with the known names otherwise."""
    if name not in ADAPTERS:
        raise ValueError(f"unknown adapter {name!r}; known are {', '.join(sorted([*ADAPTERS, PROCEDURAL]))}")
    return ADAPTERS[name]


def list_entries(source: SourceSpec, files: Files | None = None) -> Iterator[ObjectEntry]:
    """Yield the objects of a source in a stable order; `files` may be left out for generated data alone.

    Raises:
        WrongLayout: If the source does not hold what its adapter looks for.
        ValueError: If the adapter or one of its options is unknown, or `files` is missing.
    """
    if source.adapter == PROCEDURAL:
        from opendlign_core.ingestion.procedural import list_procedural

        return islice(list_procedural(source), source.limit)
    adapter = adapter_named(source.adapter)
    if files is None:
        raise ValueError(f"adapter {adapter.name!r} reads files: give the source a url")
    return entries_of(adapter, source, files)
