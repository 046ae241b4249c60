from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from opendlign_core.synthesis import ControlNetRecipe, ModelRef, SynthesisExecution, load_synthesizer
from opendlign_core.synthesis.lora import merge_lora, read_lora


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.conv = nn.Linear(6, 4), nn.Conv2d(3, 5, 3)


def write(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, path)
    return path


def test_updates_are_added_to_the_weights(tmp_path: Path) -> None:
    down, up = torch.randn(2, 6), torch.randn(4, 2)
    wide, tall = torch.randn(2, 3, 3, 3), torch.randn(5, 2, 1, 1)
    path = write(
        tmp_path / "lora.safetensors",
        {
            "lora_unet_linear.lora_down.weight": down,
            "lora_unet_linear.lora_up.weight": up,
            "lora_unet_linear.alpha": torch.tensor(1.0),
            "unet.conv.lora_A.weight": wide,
            "unet.conv.lora_B.weight": tall,
            "lora_te_text.lora_down.weight": torch.zeros(1, 1),
        },
    )
    network = Network()
    linear, conv = network.linear.weight.detach().clone(), network.conv.weight.detach().clone()
    merge_lora(network, read_lora(path))
    assert torch.allclose(network.linear.weight, linear + 0.5 * up @ down, atol=1e-6)
    update = torch.einsum("or,rchw->ochw", tall[..., 0, 0], wide)
    assert torch.allclose(network.conv.weight, conv + update, atol=1e-5)


def test_a_lora_for_another_network_is_refused(tmp_path: Path) -> None:
    name = "lora_unet_elsewhere"
    tensors = {f"{name}.lora_down.weight": torch.ones(1, 6), f"{name}.lora_up.weight": torch.ones(4, 1)}
    with pytest.raises(ValueError, match="elsewhere, which the network does not have"):
        merge_lora(Network(), read_lora(write(tmp_path / "a.safetensors", tensors)))
    tensors = {key.replace("elsewhere", "linear"): torch.ones(1, 1) for key in tensors}
    with pytest.raises(ValueError, match="does not fit"):
        merge_lora(Network(), read_lora(write(tmp_path / "b.safetensors", tensors)))


def test_files_without_a_lora_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no LoRA for a UNet"):
        read_lora(write(tmp_path / "a.safetensors", {"weight": torch.ones(1)}))
    (tmp_path / "b.safetensors").write_bytes(b"not one")
    with pytest.raises(ValueError, match="cannot read"):
        read_lora(tmp_path / "b.safetensors")


def test_a_recipes_lora_reaches_the_unet(small: ControlNetRecipe, tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = {f"{name}.lora_down.weight": torch.ones(1, 64), f"{name}.lora_up.weight": torch.ones(64, 1)}
    write(tmp_path / "pytorch_lora_weights.safetensors", tensors)
    execution = SynthesisExecution(device="cpu")
    plain = load_synthesizer(small, execution)
    tuned = load_synthesizer(small.model_copy(update={"lora": ModelRef(id=str(tmp_path))}), execution)
    before = plain.denoise.unet.mid_block.attentions[0].proj_in.weight  # type: ignore[attr-defined]
    after = tuned.denoise.unet.mid_block.attentions[0].proj_in.weight  # type: ignore[attr-defined]
    assert torch.allclose(after, before + 1)
