"""The picture of a run's curves, against one that was looked at and found right."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from opendlign_core.loop.curves import Panel, draw_curves

APPROVED = Path(__file__).parent / "curves.png"
"""Four panels: four named curves with dots, one long curve without, a flat one in a fixed range, and no data."""
PANELS = (
    Panel("losses", "train", ("total", "pull", "push", "drift")),
    Panel("rate", "long", ("rate",)),
    Panel("accuracy", "validation", ("top1", "top5"), span=(0.0, 1.0)),
    Panel("nothing", "train", ("absent",)),
)


def rows() -> list[dict[str, Any]]:
    losses = [
        {"kind": "train", "step": 20 * at, "total": 4.0 - at, "pull": 2.5, "push": 1.0 + 0.5 * at, "drift": 0.2 * at}
        for at in range(1, 4)
    ]
    rate = [{"kind": "long", "step": 10 * at, "rate": 0.001 * (60 - at)} for at in range(1, 61)]
    scores = [{"kind": "validation", "step": 2 * at, "top1": at / 50, "top5": 1.0} for at in range(1, 41)]
    return [*losses, *rate, *scores]


def pixels(path: Path) -> Any:  # [H, W, 3]
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_curves_are_drawn_as_the_approved_picture_shows(tmp_path: Path) -> None:
    """After a change that is meant, look at the new picture and put it in place of the other."""
    draw_curves(rows(), PANELS, tmp_path / "curves.png")
    np.testing.assert_array_equal(pixels(tmp_path / "curves.png"), pixels(APPROVED))


def test_a_flat_curve_lies_in_the_middle(tmp_path: Path) -> None:
    flat = [{"kind": "train", "step": step, "total": 2.0} for step in (1, 2)]
    draw_curves(flat, [Panel("loss", "train", ("total",))], tmp_path / "curves.png")
    shown = pixels(tmp_path / "curves.png")
    drawn = np.flatnonzero((shown[:, 300:340] == (31, 119, 180)).all(-1).any(1))
    assert abs(drawn.mean() - (48 + 284) / 2) <= 1, "halfway between the top and the bottom of the plot"
