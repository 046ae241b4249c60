"""Entries into outcomes: parsed in a process of their own, tried again with more where that may help."""

from collections.abc import Mapping
from pathlib import Path

from opendlign_core.ingestion.adapters import adapter_named
from opendlign_core.ingestion.child import Child, Setback
from opendlign_core.ingestion.cloud import IngestedObject, IngestedScene, RejectedObject
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.errors import LimitReached, UnreadableShape
from opendlign_core.ingestion.limits import ladder
from opendlign_core.ingestion.recipe import IngestExecution, IngestRecipe
from opendlign_core.ingestion.wire import decode_object, decode_scene, most_object_bytes, most_scene_bytes


class ParserWorker:
    """Parses the entries of one recipe, one at a time; used by one thread at a time, except for `close`."""

    def __init__(self, recipe: IngestRecipe, execution: IngestExecution) -> None:
        self._recipe = recipe
        self._adapter = adapter_named(recipe.source.adapter)
        self._rungs = ladder(recipe, execution)
        self._child = Child(recipe)

    @property
    def pid(self) -> int | None:
        """Process id of the running parser, if one runs."""
        return self._child.pid

    def parse(self, entry: ObjectEntry, paths: Mapping[str, Path]) -> IngestedObject | IngestedScene | RejectedObject:
        """The outcome of an entry, whose files lie at `paths` by key; there are none where it is generated.

        It is rejected for what its files are, never for how busy the machine is.

        Raises:
            LimitReached: the largest limits of the execution did not tell.
        """
        try:
            return self._scene(entry, paths) if self._adapter.holds == "scenes" else self._object(entry, paths)
        except UnreadableShape as error:
            return RejectedObject(entry, str(error))
        except Setback as setback:
            raise LimitReached(
                f"{entry.object_id} ({entry.uri}) {setback.reason}, at the last of {len(self._rungs)} tries: give the "
                "execution of ingest a larger timeout_seconds or memory_mib, or have such objects left out by setting "
                "parse_seconds or parse_memory_mib in its recipe"
            ) from None

    def _object(self, entry: ObjectEntry, paths: Mapping[str, Path]) -> IngestedObject:
        listed = self._adapter.parts(self._recipe.source, entry.label) if self._adapter.parts else None
        points, path = self._recipe.points, paths.get(entry.uri)
        reply = self._child.climb(
            self._rungs,
            most_object_bytes(points),
            kind="object",
            entry=entry.model_dump_json(),
            path=None if path is None else str(path),
            part_names=listed.names if listed else (),
            first_part=listed.first if listed else 0,
        )
        return decode_object(reply, entry, points)

    def _scene(self, entry: ObjectEntry, paths: Mapping[str, Path]) -> IngestedScene:
        reply = self._child.climb(
            self._rungs,
            most_scene_bytes(self._recipe.scene.most_points),
            kind="scene",
            entry=entry.model_dump_json(),
            paths={key: str(path) for key, path in paths.items()},
        )
        return IngestedScene(entry, decode_scene(reply, entry))

    def close(self) -> None:
        """Stop the process for good; a `parse` under way in another thread raises ChildClosed."""
        self._child.close()
