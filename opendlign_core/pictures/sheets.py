"""Contact sheets of any images with captions, and depth maps as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Rgb = tuple[int, int, int]
UInt8 = npt.NDArray[np.uint8]

INK: Rgb = (40, 40, 44)
PAPER: Rgb = (255, 255, 255)


def contact_sheet(
    images: Sequence[UInt8],
    captions: Sequence[str] = (),
    *,
    columns: int = 8,
    tile: int = 112,
    caption_lines: int = 1,
) -> Image.Image:
    """Lay images [H, W, 3] or [H, W] out in rows of `columns`, each fitted into `tile` pixels with its caption below.

    Captions wrap to `caption_lines` lines and end in an ellipsis where they are longer.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one image")
    if captions and len(captions) != len(images):
        raise ValueError(f"{len(images)} images but {len(captions)} captions")
    font = ImageFont.load_default(size=max(9, tile // 10))
    line = int(max(9, tile // 10) * 1.25)
    gap, below = max(2, tile // 28), caption_lines * line + 4 if captions else 0
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (tile + gap) + gap, rows * (tile + below + gap) + gap), PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, image in enumerate(images):
        left, top = gap + (i % columns) * (tile + gap), gap + (i // columns) * (tile + below + gap)
        picture = _fit(image, tile)
        sheet.paste(picture, (left + (tile - picture.width) // 2, top + (tile - picture.height) // 2))
        for k, text in enumerate(_wrap(captions[i], tile, caption_lines, font) if captions else ()):
            pen.text((left + tile / 2, top + tile + 2 + k * line), text, fill=INK, font=font, anchor="ma")
    return sheet


def _fit(image: UInt8, tile: int) -> Image.Image:
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"a contact sheet takes uint8 images [H, W, 3] or [H, W], got {image.dtype} {image.shape}")
    picture = Image.fromarray(image).convert("RGB")
    scale = tile / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _wrap(text: str, width: int, lines: int, font: Any) -> list[str]:
    """Break a text into at most `lines` lines of `width` pixels."""
    rows, words = [""], text.split()
    while words:
        longer = f"{rows[-1]} {words[0]}".strip()
        if font.getlength(longer) <= width or not rows[-1]:
            rows[-1] = longer
            words.pop(0)
        elif len(rows) < lines:
            rows.append("")
        else:
            rows[-1] += "…"
            break
    return [_clip(row, width, font) for row in rows]


def _clip(row: str, width: int, font: Any) -> str:
    if font.getlength(row) <= width:
        return row
    row = row.removesuffix("…")
    while row and font.getlength(row + "…") > width:
        row = row[:-1]
    return row + "…"


def depth_picture(depth: npt.NDArray[np.floating[Any]]) -> UInt8:
    """A depth map [H, W] in [0, 1] (0 near, 1 background) as an RGB image [H, W, 3], near surfaces dark."""
    return np.repeat((np.clip(depth, 0, 1) * 255).round().astype(np.uint8)[..., None], 3, axis=2)
