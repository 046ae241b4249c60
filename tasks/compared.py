"""Photos beside the views of their CADs: evaluation compares them, projection draws them."""

from typing import TYPE_CHECKING

from opendlign_core.samples import CadMesh, PosedPhoto

if TYPE_CHECKING:
    from torch import Tensor

    from opendlign_core.evaluation.pose.comparing.search import Comparable
    from opendlign_core.pose import Floats

SIDE = 48
"""Pixels at a side of what is compared: silhouettes need no more, and time grows with its square."""


def comparable(photo: PosedPhoto, cad: CadMesh) -> "Comparable":
    """The middle of a photo, and a way to draw its CAD there: at its distance and place, turned otherwise."""
    from opendlign_core.evaluation.pose.comparing.search import Comparable
    from opendlign_core.projection.layers import depth_maps, seen_depth
    from opendlign_core.projection.layers.aligned import Window

    meta = photo.meta
    side = min(meta.height, meta.width)
    window = Window((meta.height - side) // 2, (meta.width - side) // 2, side)
    placed = window.seen_through(meta.pose, SIDE)

    def draw(angles: "Floats") -> "Tensor":  # [B, 3] -> [B, S, S]
        turned = [placed.model_copy(update={"azimuth": a, "elevation": e, "theta": t}) for a, e, t in angles]
        return depth_maps(seen_depth(cad.vertices, cad.faces, turned, (SIDE, SIDE)))

    shown = window.of(photo.padding(), SIDE, fill=1) == 0
    return Comparable(window.of(photo.picture(), SIDE), shown, draw)
