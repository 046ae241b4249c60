"""From noise to latents, many images at once: ControlNet and UNet under one sampler."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from opendlign_core.synthesis.recipe import ControlNetRecipe
from opendlign_core.synthesis.weights import Networks

LATENT_SCALE = 8
"""Pixels per latent, along each axis."""


def initial_latents(seeds: Sequence[int], channels: int, side: int) -> tuple[Tensor, list[torch.Generator]]:
    """Noise [N, C, side, side], each sample drawn on the CPU from its own seed, and the generators that drew it."""
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    noise = [torch.randn(channels, side, side, generator=generator) for generator in generators]
    return torch.stack(noise), generators


class Denoiser:
    """The sampling loop. Samples never mix: only rounding can tell in which batch an image was denoised."""

    def __init__(self, networks: Networks, recipe: ControlNetRecipe, negative: Tensor) -> None:
        self.recipe, self.negative = recipe, negative  # [1, T, D]
        self.unet, self.controlnet, self.scheduler = networks.unet, networks.controlnet, networks.scheduler
        self.channels = int(networks.unet.config.in_channels)
        self.dtype, self.device = networks.unet.dtype, networks.unet.device
        # The condition is the same at every step and for both halves of the guidance: it is embedded once per image.
        self._embed = self.controlnet.controlnet_cond_embedding
        self.controlnet.controlnet_cond_embedding = nn.Identity()

    def compile(self) -> None:
        """Compile both networks at their first use."""
        self.unet, self.controlnet = torch.compile(self.unet), torch.compile(self.controlnet)

    def __call__(self, condition: Tensor, prompts: Tensor, seeds: Sequence[int]) -> Tensor:
        """Latents [N, C, h, w] in float32 from conditions [N, 3, H, W], embeddings [N, T, D] and seeds."""
        side = self.recipe.generation_size // LATENT_SCALE
        noise, generators = initial_latents(seeds, self.channels, side)
        self._start()
        latents = noise.to(self.device) * float(self.scheduler.init_noise_sigma)
        hint = self._embed(condition.to(self.dtype))
        options = {"generator": generators} if self.recipe.scheduler == "lcm" else {}
        for index, step in enumerate(self.scheduler.timesteps):
            scaled = self.scheduler.scale_model_input(latents, step).to(self.dtype)
            prediction = self._predict(scaled, step, prompts, hint, self._guided(index))
            latents = self.scheduler.step(prediction, step, latents, return_dict=False, **options)[0]
        return latents

    def _start(self) -> None:
        """Set the sampler to its first step; on the CPU, since every index that lies on the GPU would wait for it."""
        with warnings.catch_warnings():
            # diffusers' UniPC hands a tensor to numpy in a way that numpy 2 deprecates.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            self.scheduler.set_timesteps(self.recipe.steps)

    def _guided(self, index: int) -> bool:
        start, end = self.recipe.guidance_interval
        return self.recipe.guidance > 1 and start <= index / self.recipe.steps < end

    def _predict(self, latents: Tensor, step: Any, prompts: Tensor, hint: Tensor, guided: bool) -> Tensor:
        """The noise, in float32; guidance doubles the batch with the negative prompt first."""
        if not guided:
            return self._noise(latents, step, prompts, hint)
        words = torch.cat((self.negative.expand_as(prompts), prompts))
        both = self._noise(latents.repeat(2, 1, 1, 1), step, words, hint.repeat(2, 1, 1, 1))
        unwanted, wanted = both.chunk(2)
        return unwanted + self.recipe.guidance * (wanted - unwanted)

    def _noise(self, latents: Tensor, step: Any, words: Tensor, hint: Tensor) -> Tensor:
        times = step.expand(len(latents)).to(self.device)
        down, middle = self.controlnet(
            latents, times, words, hint, conditioning_scale=self.recipe.control_strength, return_dict=False
        )
        noise: Tensor = self.unet(
            latents,
            times,
            words,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return noise.float()
