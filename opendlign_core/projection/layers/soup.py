"""Several meshes as one list of triangles, each of which knows its image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from opendlign_core.errors import BadInput


@dataclass(frozen=True)
class Soup:
    """Triangles of B images over shared vertices."""

    vertices: Tensor  # [N, 4] float64 clip coordinates
    attributes: Tensor  # [N, C] float32
    faces: Tensor  # [F, 3] int64
    image: Tensor  # [F] int64


def soup_of(
    vertices_clip: Tensor | Sequence[Tensor],  # [B, N, 4], or B of [N_b, 4]
    faces: Tensor | Sequence[Tensor],  # [F, 3] of all, or B of [F_b, 3]
    attributes: Tensor | Sequence[Tensor],  # [B, N, C], or B of [N_b, C]
) -> Soup:
    """Meshes end to end; raise `BadInput` for the first that cannot be drawn."""
    vertices, values = list(vertices_clip), list(attributes)
    shared = isinstance(faces, Tensor) and faces.ndim == 2
    corners = [faces] * len(vertices) if isinstance(faces, Tensor) and shared else list(faces)
    if not len(vertices) == len(corners) == len(values) > 0:
        raise BadInput(
            f"{len(vertices)} lists of vertices, {len(corners)} of faces and {len(values)} of attributes; "
            "give one of each for every image, at least one"
        )
    for number, mesh in enumerate(zip(vertices, corners, values, strict=True)):
        _refuse_unusable(number, *mesh)
    starts = [0]
    for mesh_vertices in vertices:
        starts.append(starts[-1] + len(mesh_vertices))
    moved = [triangles.long() + start for triangles, start in zip(corners, starts, strict=False)]
    counts = torch.tensor([len(triangles) for triangles in corners], device=corners[0].device)
    return Soup(
        torch.cat(vertices).double(),
        torch.cat(values).float(),
        torch.cat(moved),
        torch.repeat_interleave(torch.arange(len(corners), device=counts.device), counts),
    )


def _refuse_unusable(number: int, vertices: Tensor, faces: Tensor, attributes: Tensor) -> None:
    shapes = [list(tensor.shape) for tensor in (vertices, faces, attributes)]
    if vertices.shape[1:] != (4,) or faces.shape[1:] != (3,) or attributes.ndim != 2:
        raise BadInput(f"mesh {number}: vertices [N, 4], faces [F, 3] and attributes [N, C] are needed, got {shapes}")
    if len(attributes) != len(vertices):
        raise BadInput(f"mesh {number}: {len(vertices)} vertices but {len(attributes)} rows of attributes")
    if faces.dtype.is_floating_point:
        raise BadInput(f"mesh {number}: faces must be integers, got {faces.dtype}")
    if len(faces) and not 0 <= int(faces.min()) <= int(faces.max()) < len(vertices):
        raise BadInput(f"mesh {number}: faces name vertices outside 0 to {len(vertices) - 1}")
    if not bool(torch.isfinite(vertices).all()):
        raise BadInput(f"mesh {number}: clip coordinates hold NaN or infinite numbers; check its vertices and camera")
