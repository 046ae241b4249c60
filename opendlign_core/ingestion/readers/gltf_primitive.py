"""One primitive of a glTF mesh: its attributes and indices, whichever way they are stored."""

from functools import cached_property
from typing import Any

import numpy as np

from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.readers.gltf import GltfDocument, normalised
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array

POINTS, TRIANGLES, STRIP, FAN = 0, 4, 5, 6

_DRACO = "KHR_draco_mesh_compression"


class Primitive:
    """Attributes by name, as `GltfDocument.accessor` gives them, and the indices that connect them."""

    def __init__(self, document: GltfDocument, entry: dict[str, Any]) -> None:
        self._document, self._entry = document, entry
        self._places: dict[str, Any] = entry.get("attributes", {})
        packed = entry.get("extensions", {}).get(_DRACO)
        self._packed: dict[str, Any] | None = packed if packed and document.requires(_DRACO) else None
        self.material = entry.get("material")

    @property
    def mode(self) -> int:
        """How the indices form faces; Draco gives triangles alone."""
        return int(self._entry.get("mode", TRIANGLES)) if self._packed is None else TRIANGLES

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> Array:
        """The values [V, width] of an attribute."""
        if self._packed is None or name not in self._packed.get("attributes", {}):
            return self._document.accessor(self._places[name])
        number = self._packed["attributes"][name]
        found = {item["unique_id"]: item["data"] for item in self._mesh.attributes}
        require(number in found, f"has no attribute {number} in its compressed geometry")
        values = np.asarray(found[number])
        accessor = self._document.item("accessors", self._places[name])
        return normalised(values) if accessor.get("normalized") else values

    @cached_property
    def indices(self) -> Array | None:
        """The vertices [N] that form faces one after another; None for all in their order."""
        if self._packed is not None:
            faces: Array = np.asarray(self._mesh.faces, dtype=np.int64).reshape(-1)
            return faces
        if "indices" not in self._entry:
            return None
        found: Array = self._document.accessor(self._entry["indices"])[:, 0].astype(np.int64)
        return found

    @cached_property
    def _mesh(self) -> Any:
        try:
            import DracoPy
        except ImportError as error:
            remedy = "install the `draco` extra to read it, or export it without compression"
            raise UnreadableShape(f"requires {_DRACO}: {remedy}") from error
        stream = bytes(self._document.bytes_of((self._packed or {})["bufferView"]))
        try:
            mesh = DracoPy.decode(stream)
        except (DracoPy.FileTypeException, ValueError) as error:
            raise UnreadableShape("has compressed geometry that Draco cannot decode") from error
        require(isinstance(mesh, DracoPy.DracoMesh), "has points where it declares compressed triangles")
        return mesh
