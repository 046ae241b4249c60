"""Points drawn uniformly by area from the surface of a mesh."""

import hashlib

import numpy as np

from opendlign_core.ingestion.cloud import Mesh, PointCloud, Points
from opendlign_core.ingestion.safety import require

# A surface thinner than this share of its extent squared is a line or a point, whatever rounding makes of it.
_SMALLEST_AREA = 1e-12


def object_rng(seed: int, object_id: str) -> np.random.Generator:
    """The random stream of one object: the same whatever the order, the batch or the worker."""
    words = np.frombuffer(hashlib.sha256(object_id.encode()).digest(), dtype="<u4")
    return np.random.default_rng([seed, *words.tolist()])


def sample_surface(mesh: Mesh, count: int, rng: np.random.Generator) -> PointCloud:
    """Draw `count` points, with interpolated colours and the parts of their faces where the mesh has any.

    Raises:
        UnreadableShape: when the triangles have no area.
    """
    corners = mesh.vertices.astype(np.float64)
    first, second, third = (corners[mesh.faces[:, corner]] for corner in range(3))
    areas = np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2
    total = float(areas.sum())
    extent = float(np.ptp(corners, axis=0).max())
    require(total > _SMALLEST_AREA * extent**2, "has triangles without area")
    heights = np.cumsum(areas)
    picked = np.minimum(np.searchsorted(heights, rng.random(count) * heights[-1], side="right"), len(areas) - 1)
    # The root of the first draw makes the pair uniform over the triangle instead of crowding one corner.
    spread, along = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - spread, spread * (1 - along), spread * along], axis=1)  # [count, 3]
    stacked = np.stack([first[picked], second[picked], third[picked]], axis=1)  # [count, 3, 3]
    points: Points = np.einsum("nk,nkd->nd", weights, stacked).astype(np.float32)
    colors = None
    if mesh.colors is not None:
        shades = mesh.colors[mesh.faces[picked]].astype(np.float64)
        colors = np.rint(np.einsum("nk,nkd->nd", weights, shades)).clip(0, 255).astype(np.uint8)
    parts = None if mesh.parts is None else mesh.parts[picked]
    return PointCloud(points, colors, None, mesh.up_axis, mesh.unit, parts, mesh.part_names)
