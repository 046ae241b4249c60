"""Low-rank updates such as LCM-LoRA, merged into a network's weights once, so that they cost nothing afterwards."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from opendlign_core.errors import BadInput

_DOWN = (".lora_down.weight", ".lora_A.weight", ".lora.down.weight")
_UP = (".lora_up.weight", ".lora_B.weight", ".lora.up.weight")


@dataclass(frozen=True)
class LowRank:
    """The update of one layer: scale * up @ down."""

    down: Tensor  # [rank, in] or [rank, in, kh, kw]
    up: Tensor  # [out, rank] or [out, rank, 1, 1]
    scale: float


def read_lora(path: Path) -> dict[str, LowRank]:
    """The UNet's updates in a safetensors file, by layer name with every dot written as an underscore.

    Reads the kohya names (`lora_unet_...`) and the dotted ones (`unet....`). Raises ValueError where there is none.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise BadInput(f"cannot read the LoRA {path}: {error}") from error
    updates = {}
    for name, down in tensors.items():
        suffix = next((ending for ending in _DOWN if name.endswith(ending)), None)
        stem = name.removesuffix(suffix) if suffix else ""
        if suffix and (layer := _layer(stem)):
            up = tensors[stem + _UP[_DOWN.index(suffix)]]
            alpha = tensors.get(f"{stem}.alpha")
            updates[layer] = LowRank(down, up, float(alpha) / len(down) if alpha is not None else 1.0)
    if not updates:
        raise BadInput(f"{path} holds no LoRA for a UNet (expected names such as lora_unet_...lora_down.weight)")
    return updates


def _layer(stem: str) -> str | None:
    for prefix in ("lora_unet_", "unet."):
        if stem.startswith(prefix):
            return stem.removeprefix(prefix).replace(".", "_")
    return None


def merge_lora(network: nn.Module, updates: dict[str, LowRank]) -> None:
    """Add the updates to the weights of the layers they name, in float32.

    Raises ValueError if the network lacks a layer or its shape differs: a LoRA for another architecture.
    """
    layers = {name.replace(".", "_"): layer for name, layer in network.named_modules()}
    for name, update in updates.items():
        layer = layers.get(name)
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            raise BadInput(f"the LoRA updates {name}, which the network does not have")
        change = update.scale * (update.up.float().flatten(1) @ update.down.float().flatten(1))
        if change.numel() != layer.weight.numel():
            raise BadInput(f"the LoRA's update of {name} does not fit weights of shape {tuple(layer.weight.shape)}")
        merged = layer.weight.data.float() + change.view_as(layer.weight).to(layer.weight.device)
        layer.weight.data.copy_(merged.to(layer.weight.dtype))
