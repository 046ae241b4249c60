"""A CLIP as the judge of captions."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from opendlign_core.clip.device import choose_device
from opendlign_core.clip.load import load_clip
from opendlign_core.clip.pixels import images_to_input, resize_pictures
from opendlign_core.clip.spec import ClipSpec
from opendlign_core.clip.words import load_tokenizer
from opendlign_core.synthesis.captions import CaptionScorer

_AT_ONCE = 64


class ClipScorer(CaptionScorer):
    """Features of a CLIP in float32, so that its verdicts do not hang on a device's half precision.

    Images of another size than the CLIP's are resized to it.
    """

    def __init__(self, spec: ClipSpec, device: str = "auto") -> None:
        self.spec, self.device = spec, choose_device(device)
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
        return images_to_input(resize_pictures(images.to(self.device), self.spec.image_size), self.spec)

    def _gathered(self, features: list[Tensor]) -> NDArray[np.float32]:
        gathered: NDArray[np.float32] = torch.cat(features).float().cpu().numpy()
        return gathered
