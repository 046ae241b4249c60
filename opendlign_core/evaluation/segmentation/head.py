"""From patch tokens and the words for parts to a score for every point and part.

`faithful` repeats what the published numbers were made with: features that were reshaped where they should have been
transposed, half precision, and points looked up at the pixel mirrored across the main diagonal. `corrected` does what
was meant.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, pad

SCALE = 100.0
"""What cosines are multiplied with, as CLIP does."""
REFERENCE_WINDOW = 6
"""Side, in patches, of the square over which the reference averages."""


@dataclass(frozen=True)
class PointPlaces:
    """Where the points of one shape fall in the images that the encoder saw.

    `pixel` is the true pixel; the faithful look-up, which mirrors it, is `mirrored`.
    """

    pixel: Tensor  # [V, N, 2] int64 (row, column)
    seen: Tensor  # [V, N] bool
    size: int
    """Side of those images."""

    def mirrored(self) -> "PointPlaces":
        return PointPlaces(self.pixel.flip(-1), self.seen, self.size)


def scrambled(tokens: Tensor) -> Tensor:
    """Tokens [V, R, C, E] whose channel-first block is read as if it were channel-last, as the reference does."""
    return tokens.permute(0, 3, 1, 2).reshape(tokens.shape)


def patch_scores(tokens: Tensor, text: Tensor, *, half: bool = False) -> Tensor:
    """Scaled cosines [V, P, R, C] of unit tokens [V, R, C, E] with unit texts [P, E].

    `half` multiplies in half precision, as the reference does.
    """
    views, rows, columns, _ = tokens.shape
    flat = tokens.flatten(1, 2)
    scores = ((flat.half() * SCALE) @ text.half().T).float() if half else (flat * SCALE) @ text.T
    return scores.transpose(1, 2).reshape(views, len(text), rows, columns)


def point_scores(patches: Tensor, places: PointPlaces, weights: Tensor | None = None, window: int = 1) -> Tensor:
    """Scores [N, P] of points: those of their pixels [V, P, R, C], summed over the views that see them.

    `weights` [V] say how much each view counts, all alike where None; scores are averaged over squares of `window`
    patches before they are read.
    """
    read = _at(_averaged(patches, window), places)  # [V, P, N]
    counted = places.seen.to(read) if weights is None else places.seen * weights[:, None]
    return torch.einsum("vpn,vn->np", read, counted)


def faithful_scores(tokens: Tensor, text: Tensor, places: PointPlaces, weights: Tensor | None = None) -> Tensor:
    """Scores [N, P] as the reference computes them; `places.seen` is what the mirrored look-up calls seen."""
    patches = patch_scores(scrambled(tokens), text, half=True)
    return point_scores(patches, places.mirrored(), weights, REFERENCE_WINDOW)


def _averaged(patches: Tensor, window: int) -> Tensor:
    """The mean over a square around every patch; the outermost patches repeat beyond the border."""
    before, after = (window - 1) // 2, window // 2
    return avg_pool2d(pad(patches, (before, after, before, after), mode="replicate"), window, stride=1)


def _at(patches: Tensor, places: PointPlaces) -> Tensor:  # [V, P, N]
    """What the patches, enlarged bilinearly to the size of the images, show at the pixels."""
    centre = (places.pixel.flip(-1).float() + 0.5) * (2 / places.size) - 1  # [V, N, 2] as (x, y) from -1 to 1
    return grid_sample(patches, centre[:, None], padding_mode="border", align_corners=False)[:, :, 0]
