"""The keys of a source, searched by name or pattern wherever the data set's folder starts inside it."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.spec import Absent
from opendlign_core.ingestion.files import Files

_log = logging.getLogger(__name__)


class Listing:
    """One listing of a source, taken once."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.keys = list(files.list())

    def find(self, name: str) -> str | None:
        """The key that is `name` or ends in `/name`, the one nearest the top."""
        ending = [key for key in self.keys if key == name or key.endswith(f"/{name}")]
        return min(ending, key=lambda key: (key.count("/"), key), default=None)

    def require(self, name: str) -> str:
        """Like `find`, but a missing file ends the listing with an error that names it."""
        found = self.find(name)
        if found is None:
            raise Absent(name)
        return found

    def match(self, pattern: str) -> Iterator[tuple[str, re.Match[str]]]:
        """Keys in which the pattern is found, starting at a folder's beginning and ending at the key's end."""
        compiled = re.compile(rf"(?:^|/){pattern}$")
        for key in self.keys:
            if found := compiled.search(key):
                yield key, found

    def text(self, key: str) -> str:
        return self.files.read(key).decode("utf-8-sig", errors="replace")

    def lines(self, key: str) -> list[str]:
        """The non-empty lines of a text file, stripped."""
        return [line.strip() for line in self.text(key).splitlines() if line.strip()]

    def rows(self, key: str) -> list[dict[str, str]]:
        """A CSV or TSV file with a header, as one dictionary per row; commas, semicolons or tabs separate."""
        text = self.text(key)
        if not text.strip():
            raise BadInput(f"{key} is empty")
        reader = csv.DictReader(io.StringIO(text), delimiter=_separator(key, text), restval="")
        return [{name: value or "" for name, value in row.items() if name} for row in reader]

    def json(self, key: str) -> Any:
        try:
            return json.loads(self.files.read(key))
        except ValueError as error:
            raise BadInput(f"{key} is not valid JSON: {error}") from None


def _separator(key: str, text: str) -> str:
    """What separates the names of the header; spreadsheets write semicolons where commas are decimal."""
    if key.endswith(".tsv"):
        return "\t"
    header = text.lstrip().partition("\n")[0]
    return max(",;\t", key=header.count)


@contextmanager
def rows_of(key: str) -> Iterator[None]:
    """Rows of a list that lack what the layout promises are the list's fault."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{key} does not have the rows that its layout promises: {error!r}") from error


def warn_of_gaps(listed: int, present: int, what: str) -> None:
    """Say in the log that an official list names files that are not there."""
    if present < listed:
        _log.warning("%s: %d of %d listed files are not there and are left out", what, listed - present, listed)


def stem(key: str) -> str:
    """The last part of a key without its suffix."""
    return PurePosixPath(key).stem


def label_at(names: Sequence[str], index: int, where: str) -> str:
    """The class name of an integer label; BadInput when the file's labels go beyond the names."""
    if not 0 <= index < len(names):
        raise BadInput(f"{where} has the label {index}, but there are {len(names)} class names")
    return names[index]
