"""The layered rasteriser against casting rays on the same meshes, side by side in one run.

`python -m bench.rasterize [--quick]` draws 160 x 160 pixels and 4 layers of a quadruped, a torus knot and nested
shells of some 10,000 triangles, and of twelve quadrupeds at once, on one CPU thread, and casts rays at them with
trimesh and embreex where those are installed. Times include everything: set-up, acceleration structure, attributes.
`--cuda` draws on a GPU instead and compares with the same code on the CPU.
"""

import argparse
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.projection import Cost, best_costs, machine
from bench.reports import RESULTS, Report
from opendlign_core.projection.layers import Layers, rasterize_layers

SIDE, LAYERS = 160, 4
FOCAL = 2 * 50 / 36  # a lens of 50 mm before a sensor of 36
TARGETS = {"quadruped": 10.0, "torus knot": 22.0, "nested shells": 22.0, "12 quadrupeds": 120.0}
"""Milliseconds of one thread that drawing may take."""

Row = dict[str, Any]
Mesh = tuple[NDArray[np.float32], NDArray[np.int64]]
Surface = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Points [..., 3] of two parameters in [0, 1]."""


def grid_mesh(surface: Surface, rows: int, columns: int) -> Mesh:
    """A surface as 2 * rows * columns triangles."""
    u, v = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    index = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    return surface(u, v).reshape(-1, 3).astype(np.float32), np.concatenate(
        [np.stack([a, b, c], 1), np.stack([a, c, d], 1)]
    )


def joined(meshes: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in meshes[:-1])])
    faces = [triangles + start for (_, triangles), start in zip(meshes, starts, strict=True)]
    return np.concatenate([vertices for vertices, _ in meshes]), np.concatenate(faces)


def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float], rows: int) -> Mesh:
    def surface(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        polar, around = u * np.pi, v * 2 * np.pi
        unit = np.stack([np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], -1)
        return np.asarray(unit * radii + centre)

    return grid_mesh(surface, rows, 2 * rows)


def quadruped(triangles: int) -> Mesh:
    """Fourteen ellipsoids that reach into one another: trunk, chest, neck, head, ears, rump, tail, legs and hooves."""
    legs = [((x, -0.35, z), (0.05, 0.3, 0.05)) for x in (-0.32, 0.32) for z in (-0.11, 0.11)]
    hooves = [((0.34, -0.62, z), (0.06, 0.05, 0.06)) for z in (-0.11, 0.11)]
    parts = [
        ((0.0, 0.0, 0.0), (0.45, 0.2, 0.18)), ((0.3, 0.05, 0.0), (0.2, 0.2, 0.17)),
        ((0.5, 0.25, 0.0), (0.1, 0.22, 0.08)), ((0.62, 0.42, 0.0), (0.16, 0.09, 0.08)),
        ((0.55, 0.52, 0.05), (0.03, 0.08, 0.02)), ((0.55, 0.52, -0.05), (0.03, 0.08, 0.02)),
        ((-0.35, 0.04, 0.0), (0.18, 0.19, 0.17)), ((-0.52, 0.0, 0.0), (0.1, 0.04, 0.04)), *legs, *hooves,
    ]  # fmt: skip
    rows = max(2, round((triangles / len(parts) / 4) ** 0.5))
    return joined([ellipsoid(*part, rows) for part in parts])


def torus_knot(triangles: int) -> Mesh:
    def surface(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        t, around = u * 2 * np.pi, v * 2 * np.pi
        out, slope = 2 + np.cos(3 * t), -3 * np.sin(3 * t)
        sine, cosine = np.sin(2 * t), np.cos(2 * t)
        curve = np.stack([out * cosine, out * sine, np.sin(3 * t)], -1)
        along = np.stack([slope * cosine - 2 * out * sine, slope * sine + 2 * out * cosine, 3 * np.cos(3 * t)], -1)
        side = np.cross(along, [0.0, 0.0, 1.0])
        side /= np.linalg.norm(side, axis=-1, keepdims=True)
        up = np.cross(side, along)
        up /= np.linalg.norm(up, axis=-1, keepdims=True)
        tube = side * np.cos(around)[..., None] + up * np.sin(around)[..., None]
        return np.asarray((curve + 0.45 * tube) * 0.25)

    rows = round((triangles * 4 / 2) ** 0.5 * 1.3)
    return grid_mesh(surface, rows, max(3, triangles // 2 // rows))


def nested_shells(triangles: int) -> Mesh:
    def shell(radius: float) -> Mesh:
        vertices, faces = ellipsoid((0.0, 0.0, 0.0), (radius, radius, radius), round((triangles / 16) ** 0.5))
        bumps = 1 + 0.06 * np.sin(9 * vertices[:, :1]) * np.sin(8 * vertices[:, 1:2])
        return vertices * bumps.astype(np.float32), faces

    return joined([shell(radius) for radius in (0.7, 0.55, 0.4, 0.25)])


MESHES: dict[str, tuple[Callable[[int], Mesh], float]] = {
    "quadruped": (quadruped, 1.35), "torus knot": (torus_knot, 1.55), "nested shells": (nested_shells, 1.32),
}  # fmt: skip
"""Meshes, and how large they are drawn: 11, 34 and 30 % of the image."""


def turned(vertices: NDArray[np.float32], scale: float, angle: float) -> NDArray[np.float32]:
    """Vertices scaled and turned about the vertical, then moved before a camera that looks along -z."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = scale * np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    return np.asarray((vertices @ turn.T + [0.013, -0.017, -4.3]).astype(np.float32))


def clip_coordinates(camera: Tensor) -> Tensor:  # [N, 3] -> [N, 4]
    """Clip coordinates of points before the camera: near plane 0.1, far plane 30, row 0 on top."""
    x, y, z = camera.unbind(1)
    return torch.stack([FOCAL * x, -FOCAL * y, -(30.1 / 29.9) * z - 6 / 29.9, -z], 1)


def drawn(meshes: list[Mesh], device: str = "cpu") -> Callable[[], Layers]:
    """What draws meshes that stand before the camera, with six attributes a vertex."""
    vertices = [torch.from_numpy(vertices).to(device) for vertices, _ in meshes]
    faces = [torch.from_numpy(faces).to(device) for _, faces in meshes]

    def work() -> Layers:
        clips = [clip_coordinates(mesh) for mesh in vertices]
        return rasterize_layers(clips, faces, [torch.cat([mesh, mesh], 1) for mesh in vertices], SIDE, LAYERS)

    return work


def cast(meshes: list[Mesh]) -> Callable[[], Any]:
    """What casts a ray through every pixel's centre at the same meshes and interpolates the same attributes."""
    import trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    place = (2 * np.arange(SIDE) + 1) / SIDE - 1
    rows, columns = np.meshgrid(place, place, indexing="ij")
    directions = np.stack([columns / FOCAL, -rows / FOCAL, -np.ones_like(rows)], -1).reshape(-1, 3)

    def work() -> list[tuple[Any, Any]]:
        found = []
        for vertices, faces in meshes:
            mesh = trimesh.Trimesh(vertices, faces, process=False)
            where, ray, triangle = RayMeshIntersector(mesh).intersects_location(
                np.zeros_like(directions), directions, multiple_hits=True
            )
            corners = vertices[faces[triangle]]
            share = trimesh.triangles.points_to_barycentric(corners, where)
            values = (share[..., None] * np.concatenate([corners, corners], -1)).sum(1)
            order = np.lexsort((-where[:, 2], ray))
            layer = np.arange(len(order)) - np.searchsorted(ray[order], ray[order])
            kept = layer < LAYERS
            image = np.zeros((SIDE * SIDE, LAYERS, 6), np.float32)
            image[ray[order][kept], layer[kept]] = values[order][kept]
            found.append((image, np.bincount(ray, minlength=SIDE * SIDE)))
        return found

    return work


def against_rays(meshes: list[Mesh], repeats: int) -> Row:
    """Milliseconds of a frame on the CPU by both ways, their ratio, and how far they differ."""
    draw, throw = drawn(meshes), cast(meshes) if find_spec("embreex") else None
    ours, *rays = best_costs([draw, throw] if throw else [draw], repeats)
    row = _described(meshes, draw()) | _milliseconds(ours)
    if throw:
        counted = np.stack([np.minimum(count, LAYERS) for _, count in throw()])
        differing = counted.ravel() != draw().coverage.sum(-1).flatten().numpy()
        row |= {f"embreex_{key}": value for key, value in _milliseconds(rays[0]).items()}
        row["times_faster_than_embreex"] = round(rays[0].processor / ours.processor, 2)
        row["pixels_with_another_count_ppm"] = round(1e6 * float(differing.mean()))
    return row


def on_cuda(meshes: list[Mesh], repeats: int, device: str = "cuda") -> Row:
    """Milliseconds of a frame on a GPU and on the CPU, and what differs between them."""
    there, here = drawn(meshes, device), drawn(meshes)
    theirs, ours = best_costs([there, here], repeats)
    (values, coverage), (expected, covered) = there(), here()
    return _described(meshes, here()) | {
        "wall_ms": round(theirs.wall * 1e3, 3),
        "cpu_wall_ms": round(ours.wall * 1e3, 3),
        "differing_coverage": int((coverage.cpu() != covered).sum()),
        "largest_difference": float((values.cpu() - expected).abs().max()),
    }


def _described(meshes: list[Mesh], layers: Layers) -> Row:
    return {
        "triangles": sum(len(faces) for _, faces in meshes),
        "surfaces": int(layers.coverage.sum()),
        "foreground": round(float(layers.coverage[..., 0].float().mean()), 3),
    }


def _milliseconds(cost: Cost) -> dict[str, float]:
    return {"processor_ms": round(cost.processor * 1e3, 2), "wall_ms": round(cost.wall * 1e3, 2)}


def cases(triangles: int = 10_000) -> dict[str, list[Mesh]]:
    """The meshes of every case, standing before the camera."""

    def standing(name: str, angle: float) -> Mesh:
        make, scale = MESHES[name]
        vertices, faces = make(triangles)
        return turned(vertices, scale, angle), faces

    alone = {name: [standing(name, 0.6)] for name in MESHES}
    return alone | {"12 quadrupeds": [standing("quadruped", 0.5 * number) for number in range(12)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--cuda", action="store_true", help="on a GPU")
    arguments = parser.parse_args()
    repeats = 3 if arguments.quick else 20
    torch.set_num_threads(1)
    report = Report(RESULTS / ("rasterize_cuda.json" if arguments.cuda else "rasterize.json"), machine())
    for name, meshes in cases().items():
        work = on_cuda if arguments.cuda else against_rays
        row = report.add(name, partial(work, meshes, repeats))
        if row and row.get("processor_ms", 0) > TARGETS[name]:
            report.failed.append(f"{name} takes more than {TARGETS[name]} ms")
    report.end()


if __name__ == "__main__":
    main()
