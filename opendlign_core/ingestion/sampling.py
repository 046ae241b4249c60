"""Points drawn from the surface of a mesh."""

from typing import Literal

import numpy as np

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.surface import THINNEST, Picks, Surface, at_heights, inside

Sampling = Literal["area", "stratified"]


def sample_surface(mesh: Mesh, count: int, rng: np.random.Generator, sampling: Sampling = "area") -> PointCloud:
    """Draw `count` points, with interpolated colours and the parts of their faces where the mesh has any.

    `area` leaves every point to chance, uniformly by area. `stratified` gives the outermost corners and every
    connected part a point, as long as there are enough, and spreads the others evenly over the area.

    Raises:
        UnreadableShape: when the triangles have no area.
    """
    surface = Surface(mesh)
    return surface.points(pick(surface, count, rng, sampling))


def pick(surface: Surface, count: int, rng: np.random.Generator, sampling: Sampling) -> Picks:
    """Like `sample_surface`: the places of the points in the triangles of a surface."""
    require(float(surface.areas.sum()) > THINNEST * surface.extent**2, "has triangles without area")
    if sampling == "stratified":
        from opendlign_core.ingestion.strata import stratified  # brings a part of scipy, which few shapes need

        return stratified(surface, count, rng)
    return inside(at_heights(surface.areas, rng.random(count)), rng)
