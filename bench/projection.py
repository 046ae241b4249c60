"""Projection against a straightforward dense implementation of the same recipes, side by side in one run.

The dense version fills the whole grid of every view, pools with MaxPool3d, and smooths with Conv3d or with a
bilateral filter over every cell. `python -m bench.projection [--quick]` measures on the CPU and writes
bench/results/projection.json; `bench.projection_cuda` does the same on a GPU.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv3d, max_pool3d, pad

from opendlign_core.projection import ProjectionExecution, project, project_clouds
from opendlign_core.projection.grid import Cells, cells_of
from opendlign_core.projection.recipe import RECIPES, Bilateral, Gaussian, ProjectionRecipe, WindowMax
from opendlign_core.samples import Cloud, CloudMeta, DepthMaps, encode_depth

RESULTS = Path(__file__).parent / "results" / "projection.json"
Row = dict[str, Any]


def chair(points: int, seed: int) -> Tensor:  # [N, 3]
    """Return points on a chair of boxes: seat, back and four legs, y up, facing +z."""
    generator = torch.Generator().manual_seed(seed)
    legs = [((x, 0.25, z), (0.06, 0.5, 0.06)) for x in (-0.22, 0.22) for z in (-0.22, 0.22)]
    boxes = [((0.0, 0.53, 0.0), (0.5, 0.06, 0.5)), ((0.0, 0.85, -0.22), (0.5, 0.6, 0.06)), *legs]
    sizes = torch.tensor([size for _, size in boxes])
    areas = sizes.prod(1, keepdim=True) / sizes  # [boxes, 3] of the faces across each axis
    drawn = torch.multinomial(areas.flatten(), points, replacement=True, generator=generator)
    which, across = drawn // 3, drawn[:, None] % 3
    inside = torch.rand(points, 3, generator=generator) - 0.5
    inside.scatter_(1, across, inside.gather(1, across).sign() / 2)
    return torch.tensor([centre for centre, _ in boxes])[which] + inside * sizes[which]


def dense_project(
    points: Tensor, recipe: ProjectionRecipe, bilateral: Callable[[Tensor, Bilateral], Tensor]
) -> Tensor:
    """Return the maps of a window recipe from full grids, one cloud at a time: [B, V, S, S]."""
    cells = cells_of(points, recipe)
    return torch.stack([_dense_cloud(_grids(cells, cloud, recipe), recipe, bilateral) for cloud in range(len(points))])


def torch_bilateral(volume: Tensor, smooth: Bilateral) -> Tensor:
    """Return the bilateral filter of every cell of [..., D, H, W], tap by tap."""
    radii = [extent // 2 for extent in smooth.window]
    padded = pad(volume, [r for radius in reversed(radii) for r in (radius, radius)])
    total, norm = torch.zeros_like(volume), torch.zeros_like(volume)
    for offset in torch.cartesian_prod(*(torch.arange(-r, r + 1) for r in radii)).tolist():
        square = sum(o * o for o in offset)
        if smooth.support == "disc" and square > max(radii) ** 2:
            continue
        d, h, w = (o + r for o, r in zip(offset, radii, strict=True))
        moved = padded[..., d : d + volume.shape[-3], h : h + volume.shape[-2], w : w + volume.shape[-1]]
        weight = torch.exp(
            -((moved - volume) ** 2) / (2 * smooth.sigma_value**2) - square / (2 * smooth.sigma_space**2)
        )
        total, norm = total + weight * moved, norm + weight
    return total / norm


def opencv_bilateral(volume: Tensor, smooth: Bilateral) -> Tensor:
    """Return OpenCV's bilateral filter of every slice of [..., D, H, W]."""
    import cv2

    slices = volume.flatten(0, -3).numpy()
    done = [cv2.bilateralFilter(s, smooth.window[1], smooth.sigma_value, smooth.sigma_space) for s in slices]
    return torch.from_numpy(np.stack(done)).view_as(volume)


def _grids(cells: Cells, cloud: int, recipe: ProjectionRecipe) -> Tensor:  # [V, D, S, S]
    size = recipe.size
    grids = torch.zeros(len(recipe.views), recipe.slices * size * size, device=cells.depth.device)
    index = (cells.layer[cloud].long() * size + cells.row[cloud]) * size + cells.column[cloud]
    if recipe.collision == "last":
        grids.scatter_(1, index, cells.depth[cloud])
    else:
        grids.scatter_reduce_(1, index, cells.depth[cloud], "amax")
    return grids.view(-1, recipe.slices, size, size)


def _dense_cloud(grids: Tensor, recipe: ProjectionRecipe, bilateral: Callable[[Tensor, Bilateral], Tensor]) -> Tensor:
    assert isinstance(recipe.densify, WindowMax)
    views = []
    step = len(grids) if recipe.slices <= 16 else 1  # a deep grid of all views would not fit in memory
    for part in grids.split(step):  # type: ignore[no-untyped-call]
        volume = max_pool3d(part[:, None], recipe.densify.window, 1, recipe.densify.padding)
        if isinstance(recipe.smooth, Gaussian):
            volume = conv3d(volume, _kernel(recipe.smooth, volume), padding=[e // 2 for e in recipe.smooth.window])
        elif recipe.smooth is not None:
            volume = bilateral(volume[:, 0], recipe.smooth)[:, None]
        squeezed = volume[:, 0].amax(1)
        views.append(1 - squeezed / squeezed.amax((1, 2), keepdim=True))
    return torch.cat(views)


def _kernel(smooth: Gaussian, like: Tensor) -> Tensor:
    axes = [torch.arange(-(extent // 2), extent // 2 + 1.0) for extent in smooth.window]
    z, y, x = (torch.exp(-(a**2) / (2 * s**2)) for a, s in zip(axes, smooth.sigma, strict=True))
    kernel = z[:, None, None] * y[:, None] * x
    return (kernel / kernel.sum()).to(like)[None, None]


@dataclass(frozen=True)
class Cost:
    """Best wall-clock and processor seconds; the latter hardly notices what else the machine is doing."""

    wall: float = float("inf")
    processor: float = float("inf")


def best_costs(functions: list[Callable[[], Any]], repeats: int) -> list[Cost]:
    """Return the least that every function took, run in turns so that all meet the same machine."""
    best = [Cost() for _ in functions]
    for turn in range(repeats + 1):
        for place, function in enumerate(functions):
            wall, processor = time.perf_counter(), time.process_time()
            function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            if turn:  # the first turn warms up
                best[place] = Cost(min(best[place].wall, wall), min(best[place].processor, processor))
    return best


def compare(recipe: ProjectionRecipe, points: int, clouds: int, dense_clouds: int, repeats: int, device: str) -> Row:
    """Return the milliseconds per cloud of the product and of the dense version, their ratios and their difference."""
    batch = torch.stack([chair(points, seed) for seed in range(clouds)]).to(device)
    few = batch[:dense_clouds]
    made: list[Tensor] = []
    functions: list[Callable[[], Any]] = [
        lambda: project(batch, recipe),
        lambda: made.append(dense_project(few, recipe, torch_bilateral)),
    ]
    if device == "cpu" and isinstance(recipe.smooth, Bilateral):
        grids = torch.rand(len(recipe.views), recipe.slices, recipe.size, recipe.size)
        smooth = recipe.smooth
        functions.append(lambda: opencv_bilateral(grids, smooth))
    ours, dense, *opencv = best_costs(functions, repeats)
    row = {
        "device": device, "points": points, "batch": clouds, "views": len(recipe.views),
        "ms_per_cloud": round(ours.wall / clouds * 1e3, 4),
        "dense_ms_per_cloud": round(dense.wall / dense_clouds * 1e3, 2),
        "times_faster": round(dense.wall / dense_clouds * clouds / ours.wall, 1),
        "times_less_processor": round(dense.processor / dense_clouds * clouds / ours.processor, 1),
        "processor_ms_per_cloud": round(ours.processor / clouds * 1e3, 2),
        "largest_difference": (made[-1] - project(few, recipe)).abs().max().item(),
    }  # fmt: skip
    if opencv:
        row["opencv_bilateral_alone_ms_per_cloud"] = round(opencv[0].wall * 1e3, 2)
        row["opencv_bilateral_alone_processor_ms_per_cloud"] = round(opencv[0].processor * 1e3, 2)
        row["times_faster_than_opencv_bilateral_alone"] = round(opencv[0].wall * clouds / ours.wall, 2)
    return row


def scaling(repeats: int) -> list[Row]:
    """Return milliseconds per cloud as clouds and points grow."""
    rows = []
    for clouds, points in ((1, 1024), (8, 1024), (32, 1024), (8, 4096), (8, 16384)):
        batch = torch.stack([chair(points, seed) for seed in range(clouds)])
        cost = best_costs([partial(project, batch, "opendlign")], repeats)[0]
        per_cloud = {
            "ms_per_cloud": round(cost.wall / clouds * 1e3, 2),
            "processor_ms_per_cloud": round(cost.processor / clouds * 1e3, 2),
        }
        rows.append({"clouds": clouds, "points": points, **per_cloud})
    return rows


def streaming(objects: int) -> Row:
    """Return objects per second of the whole stream and bytes per object; bench.stage_project has the shares."""
    metas = [CloudMeta(object_id=f"chair/{seed}", source="chair", split="train") for seed in range(objects)]
    clouds = [Cloud(meta, chair(10_000, seed % 16).numpy()) for seed, meta in enumerate(metas)]
    maps = project(clouds[0].points[None], "opendlign")[0]
    started = time.perf_counter()
    outcomes = project_clouds(clouds, "opendlign", ProjectionExecution())
    size = sum(len(maps.encoded) for maps in outcomes if isinstance(maps, DepthMaps))
    elapsed = time.perf_counter() - started
    started = time.perf_counter()
    for _ in range(16):
        encode_depth(maps)
    return {
        "objects": objects,
        "objects_per_second": round(objects / elapsed, 1),
        "bytes_per_object": size // objects,
        "encode_ms_per_object": round((time.perf_counter() - started) / 16 * 1e3, 2),
    }


def _first_view(recipe: ProjectionRecipe) -> ProjectionRecipe:
    return recipe.replace(views=recipe.views[:1])


def machine() -> Row:
    """Return what the figures were measured on."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "machine": f"{os.cpu_count()}-core {model}", "gpu": gpu, "threads": torch.get_num_threads(),
        "torch": torch.__version__, "python": platform.python_version(), "load_before": os.getloadavg()[0],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and objects")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    quick = arguments.quick
    torch.set_num_threads(arguments.threads)
    if find_spec("cv2"):
        import cv2

        cv2.setNumThreads(arguments.threads)
    repeats = 1 if quick else 5
    about = machine()
    cases: dict[str, tuple[ProjectionRecipe, int, int, int, int]] = {
        "pointclip-v2": (RECIPES["pointclip-v2"], 1024, 32, 2, repeats),
        "opendlign": (RECIPES["opendlign"], 10_000, 8, 1, repeats),
        # One view: dense, a whole cloud takes most of a minute.
        "pointclip-v2-seg": (_first_view(RECIPES["pointclip-v2-seg"]), 2048, 4, 1, 1),
    }
    rows = [{"recipe": name} | compare(*case, "cpu") for name, case in cases.items()]
    report = {
        "machine": about, "cpu": rows, "scaling": scaling(repeats), "stream": streaming(16 if quick else 128),
    }  # fmt: skip
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
