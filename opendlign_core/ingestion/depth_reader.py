"""Objects of a depth folder, each read in a parser process of bounded time and memory."""

from __future__ import annotations

from pathlib import Path

from opendlign_core.ingestion.child import Child, Setback
from opendlign_core.ingestion.depth_folder import FolderObject, name_and_label
from opendlign_core.ingestion.errors import LimitReached
from opendlign_core.ingestion.limits import LISTING
from opendlign_core.ingestion.wire import MOST_FOLDER_OBJECT_BYTES, decode_folder_object


class DepthFolderReader:
    """Reads one object after another; a file that kills its parser costs its object alone. A context manager."""

    def __init__(self) -> None:
        self._child = Child()

    def __enter__(self) -> DepthFolderReader:
        return self

    def __exit__(self, *ending: object) -> None:
        self._child.close()

    def read(self, path: Path) -> FolderObject:
        """The object whose depth maps lie in that file.

        Raises:
            UnreadableShape: a file of the object does not fit the layout.
            LimitReached: time and memory did not suffice to tell.
        """
        try:
            reply = self._child.climb(LISTING, MOST_FOLDER_OBJECT_BYTES, kind="folder-object", path=str(path))
        except Setback as setback:
            raise LimitReached(f"{path.name} {setback.reason}") from None
        return decode_folder_object(reply, *name_and_label(path))
