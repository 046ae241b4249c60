"""Draws the pictures of projection.md: `python -m docs.pictures SHAPE.obj`, for a mesh with y up.

Every view is labelled with its number and with where the docs say that its observer stands.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from bench.rasterize import cases, clip_coordinates
from opendlign_core.ingestion import Mesh
from opendlign_core.ingestion.readers import read_shape
from opendlign_core.ingestion.sampling import sample_surface
from opendlign_core.pictures import contact_sheet, depth_picture
from opendlign_core.projection import RECIPES, ProjectionRecipe, project
from opendlign_core.projection.grid import cells_of
from opendlign_core.projection.layers import depth_maps, rasterize_layers
from tests.projection.shapes import flag

IMAGES = Path(__file__).parent / "images"
POINTS = {"pointclip-v2": 1024, "pointclip-v2-seg": 2048}
ENDS = {"y": (0.0, 1.0, 0.0), "x": (0.7, 0.8, 0.0), "z": (0.0, -1.0, 0.7)}
"""Of the test shape: a pole up to +y, a flag at its top towards +x, a knob at its foot towards +z."""
_RING = "{} degrees, {} up"
OBSERVERS = {
    "opendlign": [_RING.format(azimuth, 20) for azimuth in range(30, 300, 30)] + [_RING.format(300, 12)],
    "pointclip-v2": [_RING.format(a, 20) for a in (45, 135, 225, 315, 0, 90, 180, 270)] + ["from below", "from above"],
    "pointclip": [_RING.format(azimuth, 0) for azimuth in (0, 90, 180, 270)] + ["from below", "from above"],
}
"""What projection.md says of the views, not what the code computes: the pictures are there to compare the two."""
OBSERVERS |= {"opendlign-3d": OBSERVERS["opendlign"], "pointclip-v2-seg": OBSERVERS["pointclip-v2"]}


def sheet(name: str, views: list[NDArray[Any]]) -> Image.Image:
    captions = [f"{number}: {place}" for number, place in enumerate(OBSERVERS[name])]
    return contact_sheet(views, captions, columns=5 if len(views) == 10 else 6, tile=160)


def marked(points: Tensor, recipe: ProjectionRecipe) -> list[NDArray[Any]]:
    """The views of the test shape, with a letter beside the pixel that each end falls on."""
    cells = cells_of(torch.cat([points, torch.tensor([list(ENDS.values())])], 1), recipe)
    font, red, side = ImageFont.load_default(30), (220, 30, 30), 320
    pictures = []
    for view, depth in enumerate(project(points, recipe)[0].numpy()):
        picture = Image.fromarray(depth_picture(depth)).resize((side, side), Image.Resampling.LANCZOS)
        picture = ImageOps.expand(picture, 20, "white")
        pen, offset = ImageDraw.Draw(picture), {"y": (0, -22), "x": (0, 22), "z": (0, -22)}
        for end, name in enumerate(ENDS, start=-len(ENDS)):
            column, row = (float(axis[0, view, end]) * side / len(depth) + 20 for axis in (cells.column, cells.row))
            pen.ellipse([column - 4, row - 4, column + 4, row + 4], fill=red)
            at = (column + offset[name][0], row + offset[name][1])
            pen.text(at, name, red, font, "mm", stroke_width=3, stroke_fill="white")
        pictures.append(np.asarray(picture))
    return pictures


def surfaces() -> Image.Image:
    """The first four surfaces along every ray of two meshes, nearer ones darker on one scale for all of a mesh."""
    views, captions = [], []
    for name in ("quadruped", "torus knot"):
        vertices, faces = cases(40_000)[name][0]
        mesh = torch.from_numpy(vertices)
        clip = clip_coordinates(mesh)
        values, coverage = rasterize_layers(clip[None], torch.from_numpy(faces), clip[None, :, 3:], 240, 4)
        depth = torch.where(coverage[0], values[0, ..., 0], torch.inf)
        maps = depth_maps(depth.flatten(1)[None])[0].view(240, 240, 4)
        views += [depth_picture(maps[..., layer].numpy()) for layer in range(4)]
        captions += [f"{name}, surface {layer + 1}" for layer in range(4)]
    return contact_sheet(views, captions, columns=4, tile=240)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", type=Path)
    mesh = read_shape(parser.parse_args().shape)
    assert isinstance(mesh, Mesh)
    surfaces().save(IMAGES / "layers.png", optimize=True)
    for name, recipe in RECIPES.items():
        points = sample_surface(mesh, POINTS.get(name, 10_000), np.random.default_rng(0)).points
        depth = project(np.asarray(points, np.float32)[None], recipe)[0].numpy()
        sheet(name, [depth_picture(view) for view in depth]).save(IMAGES / f"projection-{name}.png", optimize=True)
    for name in ("opendlign", "pointclip-v2"):
        sheet(name, marked(flag()[None], RECIPES[name])).save(IMAGES / f"projection-{name}-axes.png", optimize=True)


if __name__ == "__main__":
    main()
