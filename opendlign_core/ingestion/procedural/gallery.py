"""Pictures of the embedded data set, for people."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from opendlign_core.ingestion.procedural.dataset import LABELS, procedural_cloud
from opendlign_core.pictures import cloud_picture, contact_sheet
from opendlign_core.pictures.clouds import UInt8

PART_COLOURS = np.array(
    [(0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (204, 121, 167), (86, 180, 233)], np.uint8
)
"""Okabe and Ito's, which people of any colour vision tell apart; no category has more parts."""


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


def part_gallery(labels: tuple[str, ...], *, seed: int = 0, turn: int = 0, columns: int = 5) -> Image.Image:
    """One object of each category, coloured by part, with the names of the parts that it has in their colours."""
    pictures = [_part_picture(label, seed, turn) for label in labels]
    return contact_sheet(pictures, labels, columns=columns, tile=192)


def _part_picture(label: str, seed: int, turn: int, size: int = 384) -> UInt8:
    cloud = procedural_cloud(seed, turn, 40_000, (label,))
    assert cloud.parts is not None
    picture = Image.fromarray(cloud_picture(cloud.points.astype(np.float64), PART_COLOURS[cloud.parts], size=size))
    # The names stand beside the object, not on it.
    sheet = Image.new("RGB", (size, size), "white")
    sheet.paste(picture.resize((size * 3 // 4, size * 3 // 4), Image.Resampling.LANCZOS), (size // 4, size // 4))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=30)
    for line, part in enumerate(np.unique(cloud.parts)):
        pen.text((6, 2 + 32 * line), cloud.part_names[part], tuple(PART_COLOURS[part].tolist()), font)
    return np.asarray(sheet)
