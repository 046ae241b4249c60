"""Entries into outcomes: parsed in a process of their own, tried again with more where that may help."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from opendlign_core.ingestion.adapters import adapter_named
from opendlign_core.ingestion.child import Child, Setback
from opendlign_core.ingestion.cloud import (
    IngestedObject,
    IngestedPhotos,
    IngestedScene,
    Mesh,
    RejectedObject,
    RejectedPart,
)
from opendlign_core.ingestion.entry import PROCEDURAL, ObjectEntry
from opendlign_core.ingestion.errors import LimitReached, UnreadableShape
from opendlign_core.ingestion.limits import ladder
from opendlign_core.ingestion.posed.painted.cads import painted_cad
from opendlign_core.ingestion.posed.parse import cad_key
from opendlign_core.ingestion.recipe import IngestExecution, IngestRecipe
from opendlign_core.ingestion.wire import (
    MOST_PHOTO_BYTES,
    MOST_SHAPE_BYTES,
    decode_object,
    decode_photos,
    decode_scene,
    decode_shape,
    most_object_bytes,
    most_scene_bytes,
)
from opendlign_core.samples import CadMesh, CadReference, PosedPhoto

Outcome = IngestedObject | IngestedPhotos | IngestedScene | RejectedObject


class ParserWorker:
    """Parses the entries of one recipe, one at a time; used by one thread at a time, except for `close`."""

    def __init__(self, recipe: IngestRecipe, execution: IngestExecution) -> None:
        self._recipe = recipe
        self._adapter = adapter_named(recipe.source.adapter)
        self._rungs = ladder(recipe, execution)
        self._child = Child(recipe)
        self._cads: dict[str, CadMesh | str] = {}
        """By key, the CADs that were read, or what is wrong with them."""

    @property
    def pid(self) -> int | None:
        """Process id of the running parser, if one runs."""
        return self._child.pid

    def parse(self, entry: ObjectEntry, paths: Mapping[str, Path]) -> Outcome:
        """The outcome of an entry, whose files lie at `paths` by key; there are none where it is generated.

        It is rejected for what its files are, never for how busy the machine is.

        Raises:
            LimitReached: the largest limits of the execution did not tell.
        """
        try:
            return self._read(entry, paths)
        except UnreadableShape as error:
            return RejectedObject(entry, str(error))
        except Setback as setback:
            raise LimitReached(
                f"{entry.object_id} ({entry.uri}) {setback.reason}, at the last of {len(self._rungs)} tries: give the "
                "execution of ingest a larger timeout_seconds or memory_mib, or have such objects left out by setting "
                "parse_seconds or parse_memory_mib in its recipe"
            ) from None

    def _read(self, entry: ObjectEntry, paths: Mapping[str, Path]) -> Outcome:
        if self._adapter.holds == "scenes":
            return self._scene(entry, paths)
        return self._photos(entry, paths) if self._adapter.holds == "photos" else self._object(entry, paths)

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

    def _photos(self, entry: ObjectEntry, paths: Mapping[str, Path]) -> IngestedPhotos:
        reply = self._child.climb(
            self._rungs,
            MOST_PHOTO_BYTES,
            kind="photo",
            entry=entry.model_dump_json(),
            paths={key: str(path) for key, path in paths.items()},
        )
        parsed, kept, cads = decode_photos(reply), list[PosedPhoto](), dict[str, CadMesh]()
        rejected = [RejectedPart(one.object_id(entry.object_id), one.reason) for one in parsed.left_out if one.broken]
        for photo, number in zip(parsed.photos, parsed.cads, strict=True):
            try:
                named, cad = self._with_cad(photo, number, entry, paths)
            except UnreadableShape as error:
                rejected.append(RejectedPart(photo.meta.object_id, str(error)))
                continue
            kept.append(named)
            cads |= {} if cad is None else {cad.digest: cad}
        unwanted = sum(not one.broken for one in parsed.left_out)
        return IngestedPhotos(entry, tuple(kept), tuple(cads.values()), unwanted, tuple(rejected))

    def _with_cad(
        self, photo: PosedPhoto, number: int, entry: ObjectEntry, paths: Mapping[str, Path]
    ) -> tuple[PosedPhoto, CadMesh | None]:
        """The photo with the CAD that it names; raises UnreadableShape where that is not there or broken."""
        key = cad_key(entry, number)
        if not key:
            return photo, None
        if key not in self._cads:
            self._cads[key] = self._cad(key, paths)
        cad = self._cads[key]
        if isinstance(cad, str):
            raise UnreadableShape(f"its CAD {key} {cad}")
        reference = CadReference(uri=key, digest=cad.digest, number=number)
        return replace(photo, meta=photo.meta.model_copy(update={"cad": reference})), cad

    def _cad(self, key: str, paths: Mapping[str, Path]) -> CadMesh | str:
        try:
            if key.startswith(PROCEDURAL):
                return painted_cad(key, self._recipe.source)
            reply = self._child.climb(self._rungs, MOST_SHAPE_BYTES, kind="shape", path=str(paths[key]))
        except UnreadableShape as error:
            return str(error)
        shape = decode_shape(reply)
        return CadMesh(shape.vertices, shape.faces.astype("<i4")) if isinstance(shape, Mesh) else "has no triangles"

    def close(self) -> None:
        """Stop the process for good; a `parse` under way in another thread raises ChildClosed."""
        self._child.close()
