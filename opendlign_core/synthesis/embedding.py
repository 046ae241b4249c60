"""Prompt embeddings, each distinct prompt encoded once."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_KEPT = 2048  # at 118 kB each in SD 1.5, a quarter of a gigabyte
_AT_ONCE = 64


class PromptEncoder:
    """Encodes prompts and keeps the latest embeddings on the device that the text encoder came on."""

    def __init__(self, tokenizer: Any, text_encoder: Any) -> None:
        self._tokenizer, self._text_encoder = tokenizer, text_encoder
        self._device = text_encoder.device
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """The embeddings [N, T, D] of `prompts`."""
        new = list(dict.fromkeys(prompt for prompt in prompts if prompt not in self._kept))
        # One prompt at a time on the CPU, where the batch's size would reach the last bits of a product.
        at_once = 1 if self._text_encoder.device.type == "cpu" else _AT_ONCE
        for start in range(0, len(new), at_once):
            part = new[start : start + at_once]
            self._kept.update(zip(part, self._encode(part), strict=True))
        for prompt in prompts:
            self._kept.move_to_end(prompt)
        embeddings = torch.stack([self._kept[prompt] for prompt in prompts])
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return embeddings

    def move(self, device: str) -> None:
        """Let the text encoder work on another device from now on."""
        self._text_encoder.to(device)

    def _encode(self, prompts: list[str]) -> Tensor:
        tokens = self._tokenizer(
            prompts,
            padding="max_length",
            max_length=self._tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        hidden: Tensor = self._text_encoder(tokens.input_ids.to(self._text_encoder.device))[0]
        return hidden.to(self._device)
