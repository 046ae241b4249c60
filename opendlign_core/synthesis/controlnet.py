"""The ControlNet painter: depth maps to images by a diffusion model, in batches over objects and views."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from opendlign_core.clip.device import choose_device
from opendlign_core.median import median_filter
from opendlign_core.synthesis.denoise import Denoiser
from opendlign_core.synthesis.embedding import PromptEncoder
from opendlign_core.synthesis.recipe import ControlNetRecipe, SynthesisExecution
from opendlign_core.synthesis.synthesizer import Painting, Synthesizer
from opendlign_core.synthesis.weights import load_networks

logger = logging.getLogger(__name__)

_MEGABYTES_PER_IMAGE = 160  # of working memory at 256 x 256 with guidance; a guess that out-of-memory corrects
_LARGEST_BATCH = 128


class ControlNetSynthesizer(Synthesizer):
    """Stable Diffusion steered by depth. Keep one per process: loading takes seconds, memory and, compiled, minutes.

    An image's first latents depend on its seed alone. Its pixels may differ in the last bits with the batch's size,
    except at batch size 1, the default on the CPU. Out-of-memory halves the batch for good, down to 1; then the text
    encoder and the decoder wait in the CPU's memory until they are needed.
    """

    def __init__(self, recipe: ControlNetRecipe, negative_prompt: str, execution: SynthesisExecution) -> None:
        self.recipe, self.execution = recipe, execution
        self.device = choose_device(execution.device)
        networks = load_networks(recipe, self.device, execution.offline)
        self.vae = networks.vae
        self.resident = True
        """Whether the text encoder and the decoder stay on the device between their turns."""
        with torch.inference_mode():
            self.encode = PromptEncoder(networks.tokenizer, networks.text_encoder)
            self.denoise = Denoiser(networks, recipe, self.encode([negative_prompt]))
        self.batch_size = execution.batch_size or _batch_that_fits(self.device, recipe.generation_size)
        if execution.compile:
            self.denoise.compile()

    @torch.inference_mode()
    def paint(self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]) -> Painting:
        images = np.empty((*depth.shape, 3), np.uint8)
        finite = np.empty(len(depth), np.bool_)
        used = self.batch_size
        start = 0
        while start < len(depth):
            part = slice(start, start + self.batch_size)
            try:
                images[part], finite[part] = self._paint_batch(depth[part], prompts[part], seeds[part])
                used, start = self.batch_size, part.stop
                continue
            except torch.OutOfMemoryError:
                if self.batch_size == 1 and not self.resident:
                    raise
            self._make_room()  # outside the handler, whose traceback holds the failed batch's tensors
        return Painting(images, finite, used)

    def condition(self, depth: Tensor) -> Tensor:
        """What steers the generation: the smoothed depth, inverted so that near is bright, [N, 3, S, S]."""
        smooth = median_filter(depth, self.recipe.median) if self.recipe.median > 1 else depth
        side = self.recipe.generation_size
        resized = _resize((1 - smooth)[:, None], (side, side))
        return resized.expand(-1, 3, -1, -1)

    def _make_room(self) -> None:
        if self.batch_size > 1:
            self.batch_size //= 2
            logger.warning("out of memory on %s: going on with batches of %d images", self.device, self.batch_size)
        else:
            self.resident = False
            logger.warning("out of memory on %s: text encoder and decoder wait in the CPU's memory", self.device)
            self.encode.move("cpu")
            self.vae.to("cpu")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _paint_batch(
        self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        count = len(depth)
        if self.execution.compile and count < self.batch_size:  # another shape would be compiled anew
            places = [place % count for place in range(self.batch_size)]
            depth, prompts, seeds = depth[places], [prompts[i] for i in places], [seeds[i] for i in places]
        maps = torch.from_numpy(depth.copy()).to(self.device)  # copied: views may run backwards
        latents = self.denoise(self.condition(maps), self.encode(prompts), seeds)[:count]
        self.vae.to(self.device)
        slices = torch.split(latents, self.execution.decode_slice)
        parts = [self._decode(part, depth.shape[1:]) for part in slices]
        images, finite = (torch.cat(tensors).cpu().numpy() for tensors in zip(*parts, strict=True))
        if not self.resident:
            self.vae.to("cpu")
        return images, finite

    def _decode(self, latents: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Images as bytes [N, H, W, 3] and whether each came out finite."""
        pixels = self._pixels(latents)
        broken = ~_finite(pixels) & _finite(latents)
        if self.vae.dtype == torch.float16 and bool(broken.any()):  # the decoder overflows in half precision
            self.vae.to(torch.float32)
            pixels[broken] = self._pixels(latents[broken])
            self.vae.to(torch.float16)
        finite = _finite(pixels)
        pixels = _resize((pixels / 2 + 0.5).nan_to_num(0, 0, 0).clamp(0, 1), size)
        return (pixels * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1), finite

    def _pixels(self, latents: Tensor) -> Tensor:  # [N, 3, S, S] in [-1, 1]
        pixels: Tensor = self.vae.decode(
            (latents / self.vae.config.scaling_factor).to(self.vae.dtype), return_dict=False
        )[0]
        return pixels.float()


def _batch_that_fits(device: torch.device, side: int) -> int:
    """One image on the CPU, where batches save nothing; on CUDA a power of two that should fit into free memory."""
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    fitting = int(0.8 * free / (_MEGABYTES_PER_IMAGE * 1e6 * (side / 256) ** 2))
    return 1 << (max(1, min(fitting, _LARGEST_BATCH)).bit_length() - 1)


def _resize(images: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(images.shape[2:]) == tuple(size):
        return images
    return interpolate(images, size=tuple(size), mode="bilinear", antialias=True, align_corners=False)


def _finite(tensor: Tensor) -> Tensor:  # [N, ...] -> [N]
    return torch.isfinite(tensor).flatten(1).all(1)
