"""The networks of a ControlNet painter, loaded from local folders or pinned hub revisions, safetensors only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from opendlign_core.errors import BadInput
from opendlign_core.synthesis.lora import merge_lora, read_lora
from opendlign_core.synthesis.recipe import ControlNetRecipe, ModelRef


class WeightsMissing(BadInput):
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

    samplers = {
        "ddim": diffusers.DDIMScheduler,
        "unipc": diffusers.UniPCMultistepScheduler,
        "lcm": diffusers.LCMScheduler,
    }
    base = _locate(recipe.base, offline)
    load = _Loader(getattr(torch, recipe.dtype), device)
    unet = load(diffusers.UNet2DConditionModel, base / "unet")
    if recipe.lora is not None:
        merge_lora(unet, read_lora(_lora_file(recipe.lora, offline)))
    if recipe.tiny_vae is not None:
        vae = load(diffusers.AutoencoderTiny, _locate(recipe.tiny_vae, offline))
    else:
        vae = load(diffusers.AutoencoderKL, base / "vae")
    return Networks(
        unet=unet,
        controlnet=load(diffusers.ControlNetModel, _locate(recipe.controlnet, offline)),
        vae=vae,
        text_encoder=load(transformers.CLIPTextModel, base / "text_encoder"),
        tokenizer=_read(transformers.CLIPTokenizer, base / "tokenizer"),
        # The sampler is the recipe's, its noise schedule the one that the base model was trained with.
        scheduler=_read(samplers[recipe.scheduler], base / "scheduler"),
    )


@dataclass(frozen=True)
class _Loader:
    dtype: torch.dtype
    device: torch.device

    def __call__(self, kind: Any, folder: Path) -> Any:
        """A network in evaluation mode on the device, its convolutions laid out channels-last on CUDA."""
        network = _read(kind, folder, torch_dtype=self.dtype, use_safetensors=True).requires_grad_(False).eval()
        if self.device.type == "cuda":
            return network.to(self.device, memory_format=torch.channels_last)
        return network.to(self.device)


def _read(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(str(folder), local_files_only=True, **options)
    except (OSError, ValueError) as error:
        raise WeightsMissing(f"{folder} holds no complete {kind.__name__}: {error}") from error


_FILES = [
    *("config.json", "diffusion_pytorch_model.safetensors", "pytorch_lora_weights.safetensors"),
    *(
        f"{part}/{name}"
        for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
        for name in ("*.json", "*.txt", "model.safetensors", "diffusion_pytorch_model.safetensors")
    ),
]
"""What is wanted of a hub repository: settings and full-precision safetensors, no other copies of the weights."""


def _locate(model: ModelRef, offline: bool) -> Path:
    """The local folder of a model: the one named, or the hub's snapshot of the pinned revision."""
    from huggingface_hub import snapshot_download

    if Path(model.id).exists():
        return Path(model.id)
    try:
        return Path(
            snapshot_download(model.id, revision=model.revision, local_files_only=offline, allow_patterns=_FILES)
        )
    except (OSError, ValueError) as error:
        raise WeightsMissing(_explain(model, offline)) from error


def _lora_file(lora: ModelRef, offline: bool) -> Path:
    path = _locate(lora, offline)
    return path / "pytorch_lora_weights.safetensors" if path.is_dir() else path


def _explain(model: ModelRef, offline: bool) -> str:
    revision = f" --revision {model.revision}" if model.revision else ""
    remedy = (
        f"run `hf download {model.id}{revision}` once, name a local folder in the recipe, or set offline=False"
        if offline
        else "check the id, the revision and the network"
    )
    return f"{model.id} is neither a folder nor among the weights on this machine: {remedy}."
