"""What a source holds, listed before any engine runs: this module imports no Prefect, so that a refusal is quick."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import FileInfo, IngestRecipe, ObjectEntry
from storage.fetch import Fetcher
from storage.fingerprint import digest_items
from storage.records import Manifest
from tasks.contents import CONTENTS, Contents, note_contents
from tasks.files import SourceFiles, open_files


class SourceChanged(BadInput):
    """A file of a source is another than when the source was listed."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} has changed since its source was listed: run the same command again")


@dataclass(frozen=True)
class SourceListing:
    """The objects of a source, in the order that shards follow, and the digest of what they are made of."""

    entries: tuple[ObjectEntry, ...]
    digest: str
    contents: Mapping[str, str] = field(default_factory=dict)
    """Digest of each file that was hashed."""
    vast: bool = False
    """Whether the source was too large to be hashed; then `digest` follows from names and sizes alone."""


@contextmanager
def source_files(recipe: IngestRecipe) -> Iterator[SourceFiles | None]:
    """The files behind a recipe's source, listed once and brought once; None for data that is generated."""
    if not recipe.source.url:
        yield None
        return
    with open_files(recipe.source.url) as files:
        yield files


def list_source(recipe: IngestRecipe, files: SourceFiles | None = None) -> SourceListing:
    """Every object of the source; `files` saves a second listing where they are open already."""
    from opendlign_core.ingestion import list_entries
    from opendlign_core.ingestion.adapters import adapter_named

    adapter_named(recipe.source.adapter)
    if files is None and recipe.source.url:
        with source_files(recipe) as opened:
            return list_source(recipe, opened)
    entries = tuple(list_entries(recipe.source, files))
    if not entries:
        raise BadInput(f"{recipe.source.adapter} source {recipe.source.url!r} holds no objects")
    return _generated(entries) if files is None else _with_contents(entries, files)


def _generated(entries: tuple[ObjectEntry, ...]) -> SourceListing:
    return SourceListing(entries, digest_items([entry.model_dump(mode="json"), 0] for entry in entries))


def _with_contents(entries: tuple[ObjectEntry, ...], files: SourceFiles) -> SourceListing:
    keys = dict.fromkeys(key for entry in entries for key in entry.files)
    contents = Contents(files)
    vast = contents.are_vast(keys)
    known: Mapping[str, str] = {} if vast else contents.listed(keys)
    sizes = {key: info.size for key, info in files.infos.items()} if vast else {}
    digests = ([known.get(key) or sizes.get(key, 0) for key in entry.files] for entry in entries)
    listed = ([entry.model_dump(mode="json"), *held] for entry, held in zip(entries, digests, strict=True))
    return SourceListing(entries, digest_items(listed), known, vast)


class WatchedFiles:
    """The files of a source while it is ingested: whoever gets one gets what was listed, or an error.

    Threads may share one.
    """

    def __init__(self, files: SourceFiles, listing: SourceListing) -> None:
        self._files = files
        self._listing = listing
        self._contents = Contents(files)
        self._looked: dict[str, tuple[Path, FileInfo | None]] = {}
        self._found: dict[str, str] = {}

    def list(self, prefix: str = "") -> Iterator[str]:
        return self._files.list(prefix)

    def read(self, key: str) -> bytes:
        return self._files.read(key)

    def local(self, key: str) -> Path:
        """As of `Files`; raises SourceChanged where the file is another than was listed."""
        try:
            path = self._files.local(key)
        except FileNotFoundError:
            if key in self._listing.contents or key in self._found:
                raise SourceChanged(key) from None
            raise
        look = (path, self._files.info(key))
        if self._looked.get(key) != look:
            self._compare(key, self._contents.now(key))
            self._looked[key] = look
        return path

    def _compare(self, key: str, found: str) -> None:
        expected = self._found.setdefault(key, found) if self._listing.vast else self._listing.contents.get(key, "")
        if found != expected:
            raise SourceChanged(key)

    def attachments(self, entries: Sequence[ObjectEntry], folder: Path) -> dict[str, Path]:
        """The digests of what these entries were made of as a file in `folder`, unless the listing holds them."""
        if not self._listing.vast:
            return {}
        found = {key: self._found[key] for entry in entries for key in entry.files if key in self._found}
        return note_contents(found, folder)

    def save(self) -> None:
        """Remember for later commands what was hashed."""
        self._contents.save()


@contextmanager
def watching(files: SourceFiles | None, listing: SourceListing) -> Iterator[WatchedFiles | None]:
    """The files of a listed source as ingestion is given them; None where there are none."""
    if files is None:
        yield None
        return
    watched = WatchedFiles(files, listing)
    try:
        yield watched
    finally:
        watched.save()


def changed_files(recipe: IngestRecipe, fetcher: Fetcher, manifest: Manifest) -> list[str]:
    """Files of a source that are others than when this output of `ingest` was made of them.

    Empty where the fingerprint tells already, since the source was hashed before, and for what cannot be told quickly.
    """
    parts = [stored for record in manifest.shards for stored in record.attachments if stored.name == CONTENTS]
    recorded: dict[str, str] = {}
    for stored in parts:
        recorded |= json.loads(fetcher.path(manifest, stored).read_bytes())
    if not recorded:
        return []
    with source_files(recipe) as files:
        return Contents(files).changed(recorded) if files is not None else []
