"""glTF 2.0, as .glb or .gltf with buffers beside it: the document, its buffers and accessors."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.readers.meshopt_attributes import decoded_attributes, filtered
from opendlign_core.ingestion.readers.meshopt_indices import decoded_indices
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.safety import MAX_FILE_BYTES, checked_count, require
from opendlign_core.ingestion.shapes import Array

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942

_MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_MODES = ("ATTRIBUTES", "TRIANGLES", "INDICES")


class GltfDocument:
    """The JSON of a file with access to its arrays; every index and size is checked on the way."""

    def __init__(self, file: ShapeFile) -> None:
        text, self._binary = _split(file.data)
        document = json.loads(text)
        require(isinstance(document, dict), "is no glTF object")
        version = str(document.get("asset", {}).get("version", ""))
        require(version.startswith("2"), f"is glTF version {version or 'unknown'}; version 2 is read")
        self.json: dict[str, Any] = document
        self._companion = file.companion
        self._buffers: dict[int, bytes] = {}
        self._unpacked: dict[int, bytes] = {}

    def requires(self, extension: str) -> bool:
        """Whether the file holds what an extension stores in no other form; a form that needs none is preferred."""
        return extension in self.json.get("extensionsRequired", [])

    def items(self, kind: str) -> list[dict[str, Any]]:
        """A top-level list of the document (`nodes`, `meshes`, ...)."""
        found: list[dict[str, Any]] = self.json.get(kind, [])
        require(isinstance(found, list), f"has {kind} that are no list")
        return found

    def item(self, kind: str, index: Any) -> dict[str, Any]:
        """One entry of a top-level list."""
        found = self.items(kind)
        require(isinstance(index, int) and 0 <= index < len(found), f"refers to {kind} {index} of {len(found)}")
        entry: dict[str, Any] = found[index]
        require(isinstance(entry, dict), f"has {kind} {index} that is no object")
        return entry

    def accessor(self, index: Any) -> Array:
        """The values of an accessor [count, width] as floats when normalised, else in their stored type."""
        accessor = self.item("accessors", index)
        component = _COMPONENTS.get(accessor.get("componentType", 0))
        width = _WIDTHS.get(accessor.get("type", ""))
        if component is None or width is None:
            raise UnreadableShape(f"has accessor {index} of an unknown type")
        count = checked_count(int(accessor["count"]), "accessor elements", MAX_FILE_BYTES, width)
        if "bufferView" in accessor:
            values = self._view(accessor["bufferView"], accessor.get("byteOffset", 0), component, count, width)
        else:
            values = np.zeros((count, width), dtype=component)
        if "sparse" in accessor:
            values = self._with_sparse(values, accessor["sparse"], component, width)
        return normalised(values) if accessor.get("normalized") else values

    def _with_sparse(self, values: Array, sparse: dict[str, Any], component: str, width: int) -> Array:
        count, where, what = int(sparse["count"]), sparse["indices"], sparse["values"]
        kind = _COMPONENTS[where["componentType"]]
        rows = self._view(where["bufferView"], where.get("byteOffset", 0), kind, count, 1)[:, 0].astype(np.int64)
        patched = values.copy()
        patched[rows] = self._view(what["bufferView"], what.get("byteOffset", 0), component, count, width)
        return patched

    def _view(self, index: Any, offset: int, component: str, count: int, width: int) -> Array:
        data = self.bytes_of(index)
        item = np.dtype(component).itemsize
        stride, length = int(self.item("bufferViews", index).get("byteStride", item * width)), len(data)
        require(offset >= 0 and item * width <= stride <= 4096, "has a buffer view of an impossible stride")
        needed = offset + (count - 1) * stride + item * width if count > 0 else 0
        require(count >= 0 and needed <= length, f"needs {needed} bytes of a buffer view of {length}")
        return np.ndarray((count, width), component, data, offset, (stride, item)) if count else np.zeros((0, width))

    def bytes_of(self, index: Any) -> memoryview:
        """The bytes of a buffer view, decompressed where they are compressed."""
        view = self.item("bufferViews", index)
        for extension in filter(self.requires, _MESHOPT):
            if packed := view.get("extensions", {}).get(extension):
                if index not in self._unpacked:
                    self._unpacked[index] = self._decompressed(packed)
                return memoryview(self._unpacked[index])
        return self._slice(view)

    def _slice(self, view: dict[str, Any]) -> memoryview:
        data = self._buffer(view["buffer"])
        start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        inside = start >= 0 and 0 <= length <= len(data) - start
        require(inside, f"has a buffer view of {length} bytes at {start} in a buffer of {len(data)}")
        return memoryview(data)[start : start + length]

    def _decompressed(self, packed: dict[str, Any]) -> bytes:
        mode, size = packed.get("mode"), int(packed["byteStride"])
        require(mode in _MODES, f"has a buffer view of the unknown compression {mode!r}")
        count = checked_count(int(packed["count"]), "compressed elements", MAX_FILE_BYTES, size)
        stream = bytes(self._slice(packed))
        if mode != "ATTRIBUTES":
            return decoded_indices(stream, count, size, str(mode)).tobytes()
        return filtered(decoded_attributes(stream, count, size), packed.get("filter", "NONE")).tobytes()

    def _buffer(self, index: Any) -> bytes:
        if index not in self._buffers:
            self._buffers[index] = self._load_buffer(self.item("buffers", index))
        return self._buffers[index]

    def _load_buffer(self, buffer: dict[str, Any]) -> bytes:
        uri = buffer.get("uri")
        if uri is None:
            return self._binary
        require(isinstance(uri, str), "has a buffer whose URI is no text")
        return _data_uri(uri) if uri.startswith("data:") else self._companion(uri)


def _split(data: bytes) -> tuple[bytes, bytes]:
    """The JSON text and the binary chunk of a .glb; a .gltf is all JSON."""
    if data[:4] != b"glTF":
        return data, b""
    chunks: dict[int, bytes] = {}
    position = 12
    while position + 8 <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "little"), data[position + 4 : position + 8]
        chunk = data[position + 8 : position + 8 + length]
        require(len(chunk) == length, f"declares a chunk of {length} bytes, but holds {len(chunk)}")
        chunks.setdefault(int.from_bytes(kind, "little"), chunk)
        position += 8 + length
    require(_JSON_CHUNK in chunks, "has no JSON chunk")
    return chunks[_JSON_CHUNK], chunks.get(_BINARY_CHUNK, b"")


def _data_uri(uri: str) -> bytes:
    head, _, body = uri.partition(",")
    require(head.endswith(";base64"), "has a data URI that is not base64")
    try:
        return base64.b64decode(body, validate=False)
    except binascii.Error as error:
        raise UnreadableShape(f"has a data URI that is not base64 ({error})") from error


def normalised(values: Array) -> Array:
    """Whole numbers as the fractions of -1 to 1 that they stand for."""
    if values.dtype.kind == "f":
        return values
    scale: Callable[[Array], Array] = lambda array: np.maximum(array / np.iinfo(values.dtype).max, -1.0)  # noqa: E731
    return scale(values.astype(np.float64))
