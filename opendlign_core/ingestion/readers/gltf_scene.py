"""The scene of a glTF document as one shape in scene space: node transforms and skins applied, y up, metres."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.polygons import fan_triangles, strip_triangles
from opendlign_core.ingestion.readers.gltf import GltfDocument
from opendlign_core.ingestion.readers.gltf_primitive import FAN, POINTS, STRIP, TRIANGLES, Primitive
from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.safety import MAX_ELEMENTS, require
from opendlign_core.ingestion.shapes import Array, make_cloud, make_shape


@dataclass(frozen=True)
class _Part:
    vertices: Array  # [V, 3], in scene space
    faces: Array  # [F, 3]
    colors: Array | None  # [V, 3], fractions


def read_gltf(file: ShapeFile) -> Mesh | PointCloud:
    """Read all triangles of the default scene; its points where it has no triangles."""
    document = GltfDocument(file)
    worlds = _world_transforms(document)
    parts: list[_Part] = []
    total = 0
    for index, world in worlds.items():
        node = document.item("nodes", index)
        if "mesh" not in node:
            continue
        for part in _node_parts(document, node, world, worlds):
            # One mesh may hang from any number of nodes, so a small file can unfold without end.
            total += len(part.vertices) + len(part.faces)
            require(total <= MAX_ELEMENTS, f"has more than {MAX_ELEMENTS} vertices and faces in its scene")
            parts.append(part)
    require(bool(parts), "has no triangles or points in its scene")
    meshes = [part for part in parts if len(part.faces)]
    chosen = meshes or parts
    vertices, colors = np.concatenate([part.vertices for part in chosen]), _joined_colors(chosen)
    if not meshes:
        return make_cloud(vertices, colors, up_axis="y", unit="m")
    offsets = np.cumsum([0] + [len(part.vertices) for part in chosen[:-1]])
    faces = np.concatenate([part.faces + start for part, start in zip(chosen, offsets, strict=True)])
    return make_shape(vertices, faces, colors, up_axis="y", unit="m")


def _joined_colors(parts: list[_Part]) -> Array | None:
    if all(part.colors is None for part in parts):
        return None
    return np.concatenate([np.ones_like(part.vertices) if part.colors is None else part.colors for part in parts])


def _world_transforms(document: GltfDocument) -> dict[int, Array]:
    """World transform [4, 4] of every node of the default scene, parents before children."""
    scenes = document.items("scenes")
    nodes = document.items("nodes")
    if scenes:
        roots = document.item("scenes", document.json.get("scene", 0)).get("nodes", [])
    else:
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [index for index in range(len(nodes)) if index not in children]
    worlds: dict[int, Array] = {}
    stack = [(root, np.eye(4)) for root in reversed(roots)]
    while stack:
        index, parent = stack.pop()
        node = document.item("nodes", index)
        require(index not in worlds, f"reaches node {index} twice, so its nodes form no tree")
        worlds[index] = parent @ _local_transform(node)
        stack += [(child, worlds[index]) for child in reversed(node.get("children", []))]
    return worlds


def _local_transform(node: dict[str, Any]) -> Array:
    if "matrix" in node:
        return np.asarray(node["matrix"], dtype=np.float64).reshape(4, 4).T
    transform = np.eye(4)
    rotation = _rotation(np.asarray(node.get("rotation", (0, 0, 0, 1)), dtype=np.float64))
    transform[:3, :3] = rotation * np.asarray(node.get("scale", (1, 1, 1)), dtype=np.float64).reshape(1, 3)
    transform[:3, 3] = np.asarray(node.get("translation", (0, 0, 0)), dtype=np.float64).reshape(3)
    return transform


def _rotation(quaternion: Array) -> Array:
    """Rotation matrix of a quaternion (x, y, z, w), normalised first; a zero one turns nothing."""
    length = float(np.linalg.norm(quaternion.reshape(4)))
    if length == 0:
        return np.eye(3)
    x, y, z, w = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _node_parts(
    document: GltfDocument, node: dict[str, Any], world: Array, worlds: dict[int, Array]
) -> Iterator[_Part]:
    for entry in document.item("meshes", node["mesh"]).get("primitives", []):
        primitive = Primitive(document, entry)
        if "POSITION" not in primitive or primitive.mode not in (POINTS, TRIANGLES, STRIP, FAN):
            continue
        positions = primitive["POSITION"].astype(np.float64)
        require(positions.shape[1] == 3, f"has positions of {positions.shape[1]} numbers")
        blend = _skin_transforms(document, node, primitive, worlds)
        vertices = _apply(world, positions) if blend is None else _apply_each(blend, positions)
        yield _Part(vertices, _faces(primitive, len(positions)), _colors(document, primitive, vertices))


def _apply(transform: Array, positions: Array) -> Array:
    return positions @ transform[:3, :3].T + transform[:3, 3]


def _apply_each(transforms: Array, positions: Array) -> Array:
    """One transform [N, 4, 4] per position [N, 3]."""
    require(len(transforms) == len(positions), "has skin weights that do not match its positions")
    moved: Array = np.einsum("nij,nj->ni", transforms[:, :3, :3], positions) + transforms[:, :3, 3]
    return moved


def _skin_transforms(
    document: GltfDocument, node: dict[str, Any], primitive: Primitive, worlds: dict[int, Array]
) -> Array | None:
    """Blended joint transforms [N, 4, 4] of a skinned mesh in its rest pose, for which its own node counts nothing."""
    if "JOINTS_0" not in primitive or "WEIGHTS_0" not in primitive or "skin" not in node:
        return None
    skin = document.item("skins", node["skin"])
    joints = np.stack([worlds.get(joint, np.eye(4)) for joint in skin["joints"]])
    if "inverseBindMatrices" in skin:
        inverse = document.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = joints @ inverse[: len(joints)]
    weights = primitive["WEIGHTS_0"].astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    if not bool((total > 0).all()):
        return None
    chosen = joints[primitive["JOINTS_0"].astype(np.int64)]  # [N, 4, 4, 4]
    blended: Array = np.einsum("nk,nkij->nij", weights / total, chosen)
    return blended


def _faces(primitive: Primitive, vertices: int) -> Array:
    mode = primitive.mode
    if mode == POINTS:
        return np.zeros((0, 3), dtype=np.int64)
    indices = primitive.indices
    if indices is None:
        indices = np.arange(vertices)
    require(bool((indices < vertices).all()), f"has a face on a vertex beyond its {vertices}")
    if mode == STRIP:
        return strip_triangles(indices)
    if mode == FAN:
        return fan_triangles(indices)
    return indices[: len(indices) // 3 * 3].reshape(-1, 3)


def _colors(document: GltfDocument, primitive: Primitive, vertices: Array) -> Array | None:
    """Vertex colours times the material's base colour, as fractions; None where neither is given."""
    factor = None
    if primitive.material is not None:
        material = document.item("materials", primitive.material).get("pbrMetallicRoughness", {})
        factor = material.get("baseColorFactor") if "baseColorTexture" not in material else None
    base = np.ones(3) if factor is None else np.asarray(factor, dtype=np.float64)[:3]
    if "COLOR_0" in primitive:
        colors = primitive["COLOR_0"][:, :3].astype(np.float64)
        require(colors.shape == vertices.shape, "has vertex colours that do not match its positions")
        return np.clip(colors * base, 0, 1)
    return None if factor is None else np.tile(np.clip(base, 0, 1), (len(vertices), 1))
