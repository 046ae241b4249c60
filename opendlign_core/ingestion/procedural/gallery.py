"""One picture of the embedded data set, for people."""

from __future__ import annotations

import numpy as np
from PIL import Image

from opendlign_core.ingestion.procedural.dataset import LABELS, procedural_cloud
from opendlign_core.pictures import cloud_picture, contact_sheet


def gallery(
    labels: tuple[str, ...] = LABELS,
    *,
    seed: int = 0,
    first: int = 0,
    each: int = 1,
    columns: int = 8,
    tile: int = 128,
) -> Image.Image:
    """Objects `first` ... `first + each - 1` of every category, drawn large, shrunk and captioned."""
    pictures, captions = [], []
    for label in labels:
        for turn in range(first, first + each):
            cloud = procedural_cloud(seed, turn, 40_000, (label,))
            assert cloud.colors is not None
            pictures.append(cloud_picture(cloud.points.astype(np.float64), cloud.colors, size=2 * tile))
            captions.append(label)
    return contact_sheet(pictures, captions, columns=columns, tile=tile)
