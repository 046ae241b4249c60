"""A CLIP as the judge of captions."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from opendlign_core.synthesis.captions import CaptionScorer
from opendlign_core.synthesis.controlnet import pick_device
from opendlign_core.training.clip import load_clip, load_tokenizer
from opendlign_core.training.preprocess import images_to_input
from opendlign_core.training.recipe import ClipSpec

_AT_ONCE = 64


class ClipScorer(CaptionScorer):
    """Features of a CLIP in float32, so that its verdicts do not hang on a device's half precision.

    Images of another size than the CLIP's are resized to it.
    """

    def __init__(self, spec: ClipSpec, device: str = "auto") -> None:
        self.spec, self.device = spec, pick_device(device)
        self._clip, self._tokens = load_clip(spec, self.device), load_tokenizer(spec)

    @torch.inference_mode()
    def image_features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = torch.split(torch.from_numpy(images.copy()), _AT_ONCE)
        return self._gathered([self._clip.encode_image(self._input(part)) for part in parts])

    @torch.inference_mode()
    def text_features(self, captions: Sequence[str]) -> NDArray[np.float32]:
        parts = torch.split(self._tokens(list(captions)), _AT_ONCE)
        return self._gathered([self._clip.encode_text(part.to(self.device)) for part in parts])

    def _input(self, images: Tensor) -> Tensor:  # uint8 [N, H, W, 3] -> [N, 3, S, S]
        side = self.spec.image_size
        images = images.to(self.device)
        if images.shape[1:3] != (side, side):
            planes = images.permute(0, 3, 1, 2).float()
            planes = interpolate(planes, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
            images = planes.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return images_to_input(images, self.spec)

    def _gathered(self, features: list[Tensor]) -> NDArray[np.float32]:
        gathered: NDArray[np.float32] = torch.cat(features).float().cpu().numpy()
        return gathered
