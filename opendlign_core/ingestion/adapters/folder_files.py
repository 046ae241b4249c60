"""Which files of a folder are objects: those with a reader, packed ones and every shape of an archive too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.list_reader import ListReader
from opendlign_core.ingestion.recipe import SourceSpec
from opendlign_core.ingestion.unread import DRAWINGS, MODELS

_NOT_ALONE = {".txt", ".csv", ".asc"}
"""Suffixes that are notes more often than shapes where no label folder holds them."""
_UNLESS_NAMED = {".json"}
_ARCHIVE = ".zip"
_PACKED = {".gz", ".bz2"}


class FolderFiles:
    """The objects among the files of a folder, and a count of what no reader takes."""

    def __init__(self, source: SourceSpec, files: Files) -> None:
        self._files = files
        self._named = _named_suffixes(source)
        self.left_out = Counter[str]()
        """How many files of each kind were passed over that hold shapes in formats without a reader."""

    def objects(self) -> Iterator[tuple[str, str | None]]:
        """Every object by the key of its file and, of an archive that holds several, the member's name."""
        with ListReader() as reader:
            for key in self._files.list():
                path = PurePosixPath(key)
                self.left_out.update({path.suffix.lower()} & (MODELS | DRAWINGS))
                if not self._wanted(path):
                    continue
                members = self._members(reader, key) if path.suffix.lower() == _ARCHIVE else None
                if members is None or len(members) == 1:
                    yield key, None
                else:
                    yield from ((key, member) for member in members)
                    self.left_out.update([f"{_ARCHIVE} without a shape"] if not members else [])

    def _wanted(self, path: PurePosixPath) -> bool:
        from opendlign_core.ingestion.readers import SUFFIXES

        suffix = path.suffix.lower()
        if self._named:
            return suffix in self._named and (len(path.parts) > 1 or suffix not in _NOT_ALONE)
        inside = PurePosixPath(path.stem).suffix.lower() if suffix in _PACKED else suffix
        readable = inside in SUFFIXES - _UNLESS_NAMED and not (suffix in _PACKED and inside in (_ARCHIVE, *_PACKED))
        return readable and (len(path.parts) > 1 or inside not in _NOT_ALONE)

    def _members(self, reader: ListReader, key: str) -> list[str] | None:
        """The shapes of an archive; None where that cannot be told, which is for its own rejection to say."""
        try:
            return reader.archive(self._files.local(key), key)
        except (BadInput, FileNotFoundError):
            return None


def _named_suffixes(source: SourceSpec) -> set[str]:
    from opendlign_core.ingestion.readers import SUFFIXES

    given = {f".{suffix.strip().lstrip('.').lower()}" for suffix in source.option("suffixes", "").split(",") if suffix}
    if unknown := given - set(SUFFIXES):
        raise BadInput(
            f"no reader for {', '.join(sorted(unknown))}; there are readers for {', '.join(sorted(SUFFIXES))}"
        )
    return given
