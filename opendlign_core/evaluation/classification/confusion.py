"""The confusion matrix as a picture for the Prefect UI, which shows images and no HTML."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

_NAMED_CELL = 10
"""Squares of fewer pixels leave no room for the name of their class."""


def confusion_png(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> bytes:
    """Shares of each true class (rows) by predicted class (columns) as a PNG; darker is more."""
    counts = np.asarray(confusion, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = max(4, min(16, 720 // len(classes)))
    named = cell >= _NAMED_CELL
    margin = 120 if named else 4
    squares = np.kron((255 * (1 - shares)).astype(np.uint8), np.ones((cell, cell), np.uint8))
    sheet = Image.new("L", (squares.shape[1] + margin, squares.shape[0] + 4), 255)
    sheet.paste(Image.fromarray(squares), (margin, 2))
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(classes if named else ()):
        pen.text((margin - 4, 2 + (row + 0.5) * cell), name[:20], fill=0, anchor="rm")
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
