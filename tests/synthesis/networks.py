"""Small Stable Diffusion parts with random weights."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionControlNetPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer


def save_networks(folder: Path) -> None:
    """Write a whole pipeline as published ones are; its ControlNet lies in `controlnet`."""
    torch.manual_seed(0)
    unet, tokenizer = _unet(), small_tokenizer(48)
    StableDiffusionControlNetPipeline(
        vae=_vae(),
        text_encoder=_text_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        unet=unet,
        controlnet=_controlnet(unet),
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def _unet() -> Any:
    return UNet2DConditionModel(
        sample_size=4,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
    )


def _controlnet(unet: Any) -> Any:
    network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 16, 16))
    for parameter in network.parameters():  # fresh ControlNets are silent: their last layers are zero
        if not parameter.abs().sum():
            torch.nn.init.normal_(parameter, std=0.2)
    embedding = network.controlnet_cond_embedding
    for layer in (*embedding.blocks, embedding.conv_in, embedding.conv_out):  # and fresh small layers fade out
        layer.weight.data.mul_(4)
    return network


def _vae() -> Any:
    return AutoencoderKL(
        block_out_channels=(16, 16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=32,
    )


def _scheduler() -> Any:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def small_tokenizer(length: int) -> Any:
    """A real CLIP tokenizer whose words are single letters."""
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=length)


def _text_encoder(words: int) -> Any:
    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=48,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
    )
    return CLIPTextModel(config)
