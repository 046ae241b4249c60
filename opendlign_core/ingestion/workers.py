"""Entries into outcomes: parsed in a process of their own, tried again with more where that may help."""

from pathlib import Path
from typing import Any

from opendlign_core.ingestion.adapters import adapter_named
from opendlign_core.ingestion.child import Child, Setback
from opendlign_core.ingestion.cloud import IngestedObject, RejectedObject
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.errors import LimitReached, UnreadableShape
from opendlign_core.ingestion.limits import ladder
from opendlign_core.ingestion.recipe import IngestExecution, IngestRecipe
from opendlign_core.ingestion.wire import decode_object, most_object_bytes


class ParserWorker:
    """Parses the entries of one recipe, one at a time; used by one thread at a time, except for `close`."""

    def __init__(self, recipe: IngestRecipe, execution: IngestExecution) -> None:
        self._points = recipe.points
        self._source = recipe.source
        self._adapter = adapter_named(recipe.source.adapter)
        self._rungs = ladder(recipe, execution)
        self._child = Child(recipe)

    @property
    def pid(self) -> int | None:
        """Process id of the running parser, if one runs."""
        return self._child.pid

    def parse(self, entry: ObjectEntry, path: Path | None) -> IngestedObject | RejectedObject:
        """The outcome of an entry; it is rejected for what its file is, never for how busy the machine is.

        Raises:
            LimitReached: the largest limits of the execution did not tell.
        """
        try:
            request = self._request(entry, path)
            reply = self._child.climb(self._rungs, most_object_bytes(self._points), **request)
            return decode_object(reply, entry, self._points)
        except UnreadableShape as error:
            return RejectedObject(entry, str(error))
        except Setback as setback:
            raise LimitReached(
                f"{entry.object_id} ({entry.uri}) {setback.reason}, at the last of {len(self._rungs)} tries: give the "
                "execution of ingest a larger timeout_seconds or memory_mib, or have such objects left out by setting "
                "parse_seconds or parse_memory_mib in its recipe"
            ) from None

    def _request(self, entry: ObjectEntry, path: Path | None) -> dict[str, Any]:
        listed = self._adapter.parts(self._source, entry.label) if self._adapter.parts else None
        return {
            "kind": "object",
            "entry": entry.model_dump_json(),
            "path": None if path is None else str(path),
            "part_names": listed.names if listed else (),
            "first_part": listed.first if listed else 0,
        }

    def close(self) -> None:
        """Stop the process for good; a `parse` under way in another thread raises ChildClosed."""
        self._child.close()
