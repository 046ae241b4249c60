"""The lists of a data set as the planning process asks for them: read apart, in a process of bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.child import Child, Setback
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.limits import LISTING
from opendlign_core.ingestion.wire import MOST_LIST_BYTES, decode_list


class ListReader:
    """Reads lists in one parser process, started when first needed. Use as a context manager.

    Every method takes the file's path and the key that errors call it by, and raises BadInput for a file that is no
    such list.
    """

    def __init__(self) -> None:
        self._child = Child()

    def __enter__(self) -> ListReader:
        return self

    def __exit__(self, *ending: object) -> None:
        self._child.close()

    def labels(self, path: Path, key: str) -> list[int]:
        """The integer labels of an HDF5 pack, one per cloud."""
        return [int(label) for label in self._read("labels", path, key)]

    def clouds(self, path: Path, key: str) -> tuple[str, int]:
        """The dataset that holds the clouds of an HDF5 pack, and their number."""
        name, count = self._read("clouds", path, key)
        return str(name), int(count)

    def pack(self, path: Path, key: str) -> dict[str, list[str]]:
        """The columns `labels`, `split`, `text` and `up_axis` of an `.npz` pack, each with one text per cloud."""
        found: dict[str, list[str]] = self._read("pack", path, key)
        return found

    def table(self, path: Path, key: str) -> list[dict[str, str]]:
        """The rows of a Parquet table, every value as text."""
        found: list[dict[str, str]] = self._read("table", path, key)
        return found

    def archive(self, path: Path, key: str) -> list[str]:
        """The names of all shapes in a `.zip`."""
        found: list[str] = self._read("archive", path, key)
        return found

    def _read(self, form: str, path: Path, key: str) -> Any:
        try:
            reply = self._child.climb(LISTING, MOST_LIST_BYTES, kind="list", form=form, path=str(path))
        except (UnreadableShape, Setback) as error:
            raise BadInput(f"{key} {error}") from None
        return decode_list(reply)
