"""The things of a scan as files: rows for programs, models and pictures for people."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opendlign.detected import Detected
from opendlign_core.boxes import Boxes
from opendlign_core.evaluation.detection.plan import plan
from opendlign_core.evaluation.detection.slanted import slanted
from opendlign_core.pictures import Piece, colour_of, colours_of, write_glb, write_ply
from opendlign_core.pictures.palette import NO_PART

BAR = 0.015
"""Metres that the edges of boxes are thick."""
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
"""Of a box, by the numbers of its corners."""
SIDES = np.array([[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6], [0, 4, 5], [0, 5, 1],
                  [1, 5, 6], [1, 6, 2], [2, 6, 7], [2, 7, 3], [3, 7, 4], [3, 4, 0]])  # fmt: skip
"""The triangles of a box, by the numbers of its corners."""


def write_detected(detected: Detected, folder: Path, top: int) -> Iterator[Path]:
    """boxes.json has everything that was found; scene.ply, scene.glb and the pictures show the best.

    The cloud of scene.ply has the colours of what its points lie in, scene.glb the frames of boxes by name around it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    best, points = detected.found.boxes[:top], detected.scan.points
    marks = detected.found.classes[:top]
    captions = [f"{detected.label(place)} {100 * detected.found.scores[place]:.0f}" for place in range(len(best))]
    path = folder / "boxes.json"
    path.write_text(json.dumps(list(_rows(detected)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    yield path
    inside = best.contain(points)
    owner = np.where(inside.any(0), np.append(marks, -1)[inside.argmax(0)], -1)
    path = folder / "scene.ply"
    write_ply(path, points, colours_of(owner), owner)
    yield path
    path = folder / "scene.glb"
    write_glb(path, [_dots(points), *_frames(best, captions, marks)])
    yield path
    path = folder / "plan.png"
    plan(points, best, captions, marks.tolist()).save(path)
    yield path
    path = folder / "view.png"
    slanted(points, best, captions, marks.tolist()).save(path)
    yield path


def _rows(detected: Detected) -> Iterator[dict[str, Any]]:
    """One object for each box, y up and in the scan's unit; `read_boxes` reads them back."""
    boxes, found = detected.found.boxes, detected.found
    for place in range(len(boxes)):
        yield {
            "label": detected.label(place),
            "score": round(float(found.scores[place]), 4),
            "centre": boxes.centres[place].round(4).tolist(),
            "size": boxes.sizes[place].round(4).tolist(),
            "yaw": round(float(boxes.yaws[place]), 4),
            "objectness": round(float(detected.objectness[place]), 4),
            "up": "y",
        }


def _dots(points: NDArray[np.float32]) -> Piece:
    return Piece("scan", points, np.arange(len(points))[:, None], NO_PART)


def _frames(boxes: Boxes, captions: list[str], marks: NDArray[np.int64]) -> Iterator[Piece]:
    """The edges of every box as bars."""
    for corners, caption, mark in zip(boxes.corners(), captions, marks.tolist(), strict=True):
        bars = [_bar(corners[start], corners[end]) for start, end in EDGES]
        faces = np.concatenate([SIDES + 8 * number for number in range(len(bars))])
        yield Piece(caption, np.concatenate(bars).astype(np.float32), faces, colour_of(mark))


def _bar(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:  # [3], [3] -> [8, 3]
    """The corners of a thin box along the axes around both ends, or, for an edge that is turned, a thin slab."""
    along = end - start
    aside = np.array([-along[2], 0.0, along[0]]) if np.any(along[[0, 2]]) else np.array([1.0, 0.0, 0.0])
    aside *= BAR / 2 / max(float(np.linalg.norm(aside)), 1e-12)
    over = np.array([0.0, BAR / 2, 0.0]) if np.any(along[[0, 2]]) else np.array([0.0, 0.0, BAR / 2])
    around = [-aside - over, aside - over, aside + over, over - aside]
    return np.array([at + corner for at in (start, end) for corner in around])
