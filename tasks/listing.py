"""What a source holds, listed before any engine runs: this module imports no Prefect, so that a refusal is quick."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opendlign_core.ingestion import IngestRecipe, ObjectEntry
from storage.fingerprint import digest_items
from tasks.files import StoreFiles


@dataclass(frozen=True)
class SourceListing:
    """The objects of a source, in the order that shards follow, and the digest of what was listed."""

    entries: tuple[ObjectEntry, ...]
    digest: str


@contextmanager
def source_files(recipe: IngestRecipe) -> Iterator[StoreFiles | None]:
    """The files behind a recipe's source, listed once and brought once; None for data that is generated."""
    if not recipe.source.url:
        yield None
        return
    with StoreFiles(recipe.source.url) as files:
        yield files


def list_source(recipe: IngestRecipe, files: StoreFiles | None = None) -> SourceListing:
    """Every object of the source; `files` saves a second listing where they are open already."""
    from opendlign_core.ingestion import list_entries
    from opendlign_core.ingestion.adapters import adapter_named

    adapter_named(recipe.source.adapter)
    if files is None and recipe.source.url:
        with source_files(recipe) as opened:
            return list_source(recipe, opened)
    entries = tuple(list_entries(recipe.source, files))
    if not entries:
        raise ValueError(f"{recipe.source.adapter} source {recipe.source.url!r} holds no objects")
    sizes = files.sizes if files else {}
    listed = ([entry.model_dump(mode="json"), sizes.get(entry.uri, 0)] for entry in entries)
    return SourceListing(entries, digest_items(listed))
