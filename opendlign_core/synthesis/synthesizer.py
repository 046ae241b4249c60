"""The one interface of all painters."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Painting:
    """A batch of images with what the painter knows about them and the pixels do not show."""

    images: NDArray[np.uint8]  # [N, H, W, 3]
    finite: NDArray[np.bool_]  # [N] False where latents or pixels overflowed on the way
    batch_size: int
    """Images computed at once; below `Synthesizer.batch_size` after an out-of-memory."""


class Synthesizer(ABC):
    """Paints images whose edges follow depth maps. Image i depends on depth map, prompt and seed i alone."""

    batch_size: int
    """How many images to hand to `paint` at once for best speed."""

    def prepare(self, images: int) -> None:  # noqa: B027 - most painters have nothing to prepare
        """Told how many images are ahead, a painter may start what pays off for so many."""

    @abstractmethod
    def paint(self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]) -> Painting:
        """Paint one image per depth map [N, H, W] (in [0, 1], background 1, nearest 0), prompt and seed."""

    def generate(self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """The images [N, H, W, 3] of `depth` [N, H, W]; inputs are checked, and bad ones named."""
        depth = np.asarray(depth, np.float32)
        if depth.ndim != 3:
            raise ValueError(f"depth must be [N, H, W], not {depth.shape}; flatten objects and views first")
        if not len(depth) == len(prompts) == len(seeds):
            raise ValueError(
                f"{len(depth)} depth maps need as many prompts and seeds, not {len(prompts)}, {len(seeds)}"
            )
        if depth.size and not (np.isfinite(depth).all() and depth.min() >= 0 and depth.max() <= 1):
            raise ValueError("depth must be finite and lie in [0, 1], background 1 and nearest 0")
        return self.paint(depth, prompts, seeds).images
