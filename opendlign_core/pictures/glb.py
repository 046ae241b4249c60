"""Coloured meshes as binary glTF, one named piece after the other, for browsers and modelling programs."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_MODES = {3: 4, 1: 0}
"""Of primitives, by the corners that each has: triangles and dots."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some triangles in one colour, or dots; programs show the name beside them."""

    name: str
    vertices: NDArray[np.float32]  # [V, 3]
    faces: NDArray[np.integer]  # [F, 3], or [F, 1] for dots
    colour: tuple[int, int, int]

    @classmethod
    def cut(
        cls,
        name: str,
        vertices: NDArray[np.float32],
        faces: NDArray[np.integer],
        colour: tuple[int, int, int],
    ) -> "Piece":
        """A piece of some triangles of a larger mesh, with only the vertices that they use."""
        used, places = np.unique(faces, return_inverse=True)
        return cls(name, vertices[used], places.reshape(-1, 3), colour)


def write_glb(path: Path, pieces: Sequence[Piece]) -> None:
    """Write pieces as nodes of one scene; each has a mesh and a material of its name, lit from both sides.

    Raises:
        ValueError: there is no piece, or one without triangles.
    """
    if not pieces or not all(len(piece.faces) for piece in pieces):
        raise ValueError("a model needs pieces, each with triangles")
    buffers = [_bytes_of(piece) for piece in pieces]
    body = b"".join(part for both in buffers for part in both)
    scene = json.dumps(_scene(pieces, len(body)), ensure_ascii=False).encode()
    scene += b" " * (-len(scene) % 4)
    chunks = struct.pack("<I4s", len(scene), b"JSON") + scene + struct.pack("<I4s", len(body), b"BIN\0") + body
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def _bytes_of(piece: Piece) -> tuple[bytes, bytes]:
    return piece.vertices.astype("<f4").tobytes(), piece.faces.astype("<u4").tobytes()


def _scene(pieces: Sequence[Piece], length: int) -> dict[str, Any]:
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    start = 0
    for number, piece in enumerate(pieces):
        for size, target in ((12 * len(piece.vertices), _VERTICES), (4 * piece.faces.size, _INDICES)):
            views.append({"buffer": 0, "byteOffset": start, "byteLength": size, "target": target})
            start += size
        low, high = (np.asarray(bound, np.float32).tolist() for bound in _bounds(piece))
        accessors += [
            {"bufferView": 2 * number, "componentType": _FLOAT, "count": len(piece.vertices), "type": "VEC3",
             "min": low, "max": high},
            {"bufferView": 2 * number + 1, "componentType": _UINT, "count": piece.faces.size, "type": "SCALAR"},
        ]  # fmt: skip
    numbers = range(len(pieces))
    return {
        "asset": {"version": "2.0", "generator": "opendlign"},
        "scene": 0,
        "scenes": [{"nodes": list(numbers)}],
        "nodes": [{"name": piece.name, "mesh": number} for number, piece in enumerate(pieces)],
        "meshes": [
            {
                "name": piece.name,
                "primitives": [
                    {
                        "attributes": {"POSITION": 2 * number},
                        "indices": 2 * number + 1,
                        "material": number,
                        "mode": _MODES[piece.faces.shape[1]],
                    }
                ],
            }
            for number, piece in enumerate(pieces)
        ],
        "materials": [_material(piece) for piece in pieces],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": length}],
    }


def _bounds(piece: Piece) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return piece.vertices.min(0), piece.vertices.max(0)


def _material(piece: Piece) -> dict[str, Any]:
    colour = [*(_linear(channel / 255) for channel in piece.colour), 1.0]
    look = {"baseColorFactor": colour, "metallicFactor": 0.0, "roughnessFactor": 0.9}
    return {"name": piece.name, "pbrMetallicRoughness": look, "doubleSided": True}


def _linear(shade: float) -> float:
    """An sRGB shade as the linear one that glTF wants."""
    return shade / 12.92 if shade <= 0.04045 else float(((shade + 0.055) / 1.055) ** 2.4)
