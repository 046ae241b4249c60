"""Small ImageNet3D folders, written as the data set is published: images, pickled annotations, lists, CADs."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CUBE = """OFF
8 6 0
-0.3 -0.3 -0.3
0.3 -0.3 -0.3
0.3 0.3 -0.3
-0.3 0.3 -0.3
-0.3 -0.3 0.3
0.3 -0.3 0.3
0.3 0.3 0.3
-0.3 0.3 0.3
4 0 3 2 1
4 4 5 6 7
4 0 1 5 4
4 1 2 6 5
4 2 3 7 6
4 3 0 4 7
"""


def annotated(**changes: Any) -> dict[str, Any]:
    """An object as the annotators of ImageNet3D say it; None takes a key out."""
    row: dict[str, Any] = {
        "azimuth": np.float64(0.5), "elevation": 0.25, "theta": -0.1, "distance": 5.0, "px": 62.5, "py": 41.25,
        "principal": np.array([62.5, 41.25]), "focal": 1, "viewport": 2000, "cad_index": 1, "class": "mug",
        "bbox": np.array([30.0, 20.0, 90.0, 70.0]), "height": np.uint16(90), "width": np.uint16(120),
        "object_status": "status_good", "dense": "dense_no", "ignore": 0,
    }  # fmt: skip
    return {name: value for name, value in (row | changes).items() if value is not None}


def photo_bytes(height: int = 90, width: int = 120, seed: int = 0) -> bytes:
    """A photo without sharp edges, so that JPEG leaves it nearly as it is."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def annotation_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """As `numpy.savez` writes objects: with a pickle."""
    objects = np.empty(len(rows), object)
    objects[:] = rows
    buffer = io.BytesIO()
    np.savez(buffer, annotations=objects)
    return buffer.getvalue()


def put(root: Path, key: str, data: bytes) -> Path:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_folder(
    root: Path, photos: Mapping[str, Sequence[Mapping[str, Any]]], split: str = "train", category: str = "mug"
) -> Path:
    """One category of one split; returns the folder."""
    for seed, (name, rows) in enumerate(photos.items()):
        put(root, f"images/{category}/{name}.JPEG", photo_bytes(seed=seed))
        put(root, f"annotations/{category}/{name}.npz", annotation_bytes(rows))
    put(root, f"lists/{category}_imagenet_{split}.txt", "\n".join(photos).encode())
    put(root, f"CAD/{category}/01.off", CUBE.encode())
    return root
