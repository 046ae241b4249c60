"""The networks of a ControlNet painter, loaded from local folders or pinned hub revisions, safetensors only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from opendlign_core.synthesis.lora import merge_lora, read_lora
from opendlign_core.synthesis.recipe import ControlNetRecipe, ModelRef


class WeightsMissing(ValueError):
    """Weights that a recipe names are not on this machine, or are not what the recipe says."""


@dataclass(frozen=True)
class Networks:
    """What turns noise, depth and words into images. No safety checker is among them: it blackens images silently."""

    unet: Any
    controlnet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any


def load_networks(recipe: ControlNetRecipe, device: torch.device, offline: bool) -> Networks:
    """Load every part in the recipe's arithmetic onto `device`.

    Raises WeightsMissing, naming the part and the remedy. Never unpickles and, with `offline`, never asks the network.
    """
    import diffusers
    import transformers

    load = _Loader(getattr(torch, recipe.dtype), device, offline)
    unet = load(diffusers.UNet2DConditionModel, recipe.base, "unet")
    if recipe.lora is not None:
        merge_lora(unet, read_lora(_lora_file(recipe.lora, offline)))
    if recipe.tiny_vae is not None:
        vae = load(diffusers.AutoencoderTiny, recipe.tiny_vae)
    else:
        vae = load(diffusers.AutoencoderKL, recipe.base, "vae")
    return Networks(
        unet=unet,
        controlnet=load(diffusers.ControlNetModel, recipe.controlnet),
        vae=vae,
        text_encoder=load(transformers.CLIPTextModel, recipe.base, "text_encoder"),
        tokenizer=load.plain(transformers.CLIPTokenizer, recipe.base, "tokenizer"),
        scheduler=_scheduler(load, recipe),
    )


def _scheduler(load: "_Loader", recipe: ControlNetRecipe) -> Any:
    """The recipe's sampler with the noise schedule that the base model was trained with."""
    import diffusers

    kinds = {
        "ddim": diffusers.DDIMScheduler,
        "unipc": diffusers.UniPCMultistepScheduler,
        "lcm": diffusers.LCMScheduler,
    }
    return load.plain(kinds[recipe.scheduler], recipe.base, "scheduler")


@dataclass(frozen=True)
class _Loader:
    dtype: torch.dtype
    device: torch.device
    offline: bool

    def __call__(self, kind: Any, model: ModelRef, subfolder: str = "") -> Any:
        """A network in evaluation mode on the device, its convolutions laid out channels-last on CUDA."""
        network = self.plain(kind, model, subfolder, torch_dtype=self.dtype, use_safetensors=True)
        network.requires_grad_(False).eval()
        if self.device.type == "cuda" and not subfolder.startswith("text"):
            return network.to(self.device, memory_format=torch.channels_last)
        return network.to(self.device)

    def plain(self, kind: Any, model: ModelRef, subfolder: str = "", **options: Any) -> Any:
        """Any part that is not a network; errors name it."""
        if subfolder:
            options["subfolder"] = subfolder
        try:
            return kind.from_pretrained(model.id, revision=model.revision, local_files_only=self.offline, **options)
        except (OSError, ValueError) as error:
            raise WeightsMissing(_explain(kind.__name__, model, subfolder, self.offline)) from error


def _lora_file(lora: ModelRef, offline: bool) -> Path:
    from huggingface_hub import hf_hub_download

    local = Path(lora.id)
    if local.is_file():
        return local
    name = "pytorch_lora_weights.safetensors"
    if local.is_dir():
        return local / name
    try:
        return Path(hf_hub_download(lora.id, name, revision=lora.revision, local_files_only=offline))
    except (OSError, ValueError) as error:
        raise WeightsMissing(_explain("LoRA", lora, "", offline)) from error


def _explain(part: str, model: ModelRef, subfolder: str, offline: bool) -> str:
    place = f"{model.id}/{subfolder}" if subfolder else model.id
    revision = f" at revision {model.revision}" if model.revision else ""
    remedy = (
        f"download it once with `hf download {model.id}{f' --revision {model.revision}' if model.revision else ''}`, "
        "name a local folder in the recipe, or set offline=False in the execution"
        if offline
        else "check the id, the revision and the network"
    )
    return f"{part} was not found in {place}{revision}: {remedy}."
