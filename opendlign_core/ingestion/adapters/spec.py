"""What a dataset adapter declares, and the one place where its findings become catalog entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import ObjectEntry, UpAxis, one_line
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.parts import PartList
from opendlign_core.ingestion.recipe import SourceSpec


class WrongLayout(BadInput):
    """A source does not look as its adapter expects; the message says what was looked for and what is there."""


class Absent(Exception):
    """A file that the layout needs is not there; becomes a `WrongLayout` that says so in full."""


@dataclass(frozen=True, slots=True)
class Found:
    """One object as an adapter sees it in a listing."""

    name: str
    """Unique within the source; second part of the object id."""
    split: str
    label: str
    uri: str
    member: str | int | None = None
    caption: str = ""
    up_axis: UpAxis | None = None
    """Overrides the adapter's up axis, for lists that state one per object."""
    beside: tuple[str, ...] = ()
    """Keys of further files that the object is read from."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A dataset's layout in words, its conventions, and the function that lists it."""

    name: str
    title: str
    layout: str
    """The files it looks for; quoted by errors and docs."""
    split: str
    label: str
    caption: str
    find: Callable[[SourceSpec, Files], Iterable[Found]]
    """Yields every object; filtering by split and limit happens outside."""
    up_axis: UpAxis | None = None
    unit: str = ""
    licence: str = ""
    options: tuple[tuple[str, str], ...] = ()
    """Accepted options and what each means."""
    parts: Callable[[SourceSpec, str], PartList | None] | None = None
    """The parts of an object by its label, where the files do not name them; UnreadableShape for a label without."""
    holds: Literal["clouds", "scenes", "photos"] = "clouds"
    """What ingestion makes of its objects; scenes and photos have readers of their own."""
    generated: bool = False
    """Whether there are no files."""


def entries_of(adapter: Adapter, source: SourceSpec, files: Files) -> Iterator[ObjectEntry]:
    """List a source through its adapter: wanted splits, limit, and the source's own conventions applied.

    Raises:
        WrongLayout: If nothing is found, or nothing in the wanted splits.
        BadInput: If an option is unknown, or two objects have one name.
    """
    _check_options(adapter, source)
    seen, given = set[str](), 0
    for found in _unique(_found(adapter, source, files)):
        seen.add(found.split)
        if source.splits and found.split not in source.splits:
            continue
        yield _entry(adapter, source, found)
        given += 1
        if given == source.limit:
            return
    if not seen:
        raise _wrong_layout(adapter, source, files)
    if not given:
        raise WrongLayout(f"{adapter.title} at {source.url} has splits {sorted(seen)}, none of {list(source.splits)}")


def _entry(adapter: Adapter, source: SourceSpec, found: Found) -> ObjectEntry:
    name = source.name or adapter.name
    return ObjectEntry(
        object_id=f"{name}/{one_line(found.name)}",
        source=name,
        split=found.split,
        label=found.label,
        caption=found.caption,
        uri=found.uri,
        member=found.member,
        up_axis=source.up_axis or found.up_axis or adapter.up_axis,
        unit=adapter.unit if source.unit is None else source.unit,
        licence=adapter.licence if source.licence is None else source.licence,
        beside=found.beside,
    )


def _check_options(adapter: Adapter, source: SourceSpec) -> None:
    known = [name for name, _ in adapter.options]
    unknown = [name for name, _ in source.options if name not in known]
    if unknown:
        accepted = f"it accepts {', '.join(known)}" if known else "it accepts none"
        raise BadInput(f"adapter {adapter.name!r} has no option {', '.join(unknown)}; {accepted}")


def _found(adapter: Adapter, source: SourceSpec, files: Files) -> Iterator[Found]:
    try:
        yield from adapter.find(source, files)
    except Absent as absent:
        raise _wrong_layout(adapter, source, files, str(absent)) from None


def _unique(listing: Iterator[Found]) -> Iterator[Found]:
    """Object ids name shards' samples, so two objects of one name would overwrite each other."""
    homes: dict[str, str] = {}
    for found in listing:
        home = found.uri if found.member is None else f"{found.uri}#{found.member}"
        if found.name in homes:
            raise BadInput(f"two objects are called {found.name}: {homes[found.name]} and {home}")
        homes[found.name] = home
        yield found


def _wrong_layout(adapter: Adapter, source: SourceSpec, files: Files, absent: str = "") -> WrongLayout:
    """The error for a source that does not hold what the layout describes, with a glance at what it does hold."""
    keys = list(files.list())
    there = f"{len(keys)} files such as {', '.join(keys[:5])}" if keys else "no files"
    lacking = f"{absent} (layout: {adapter.layout})" if absent else adapter.layout
    return WrongLayout(f"no {adapter.title} at {source.url or 'the source'}: looked for {lacking}; found {there}")
