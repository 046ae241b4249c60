"""The model under test, as evaluation sees it: two encoders, a tokenizer and an identity."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import torch

from opendlign_core.clip.features import unit
from opendlign_core.clip.spec import IMAGENET_MEAN, IMAGENET_STD
from opendlign_core.evaluation.finite import require_finite
from opendlign_core.evaluation.labels import prompt_name
from opendlign_core.evaluation.specs import Branch
from opendlign_core.evaluation.templates import TextName, fill, resolve_templates

if TYPE_CHECKING:
    from opendlign_core.clip import ClipSpec, OpenClip


class Encoder(Protocol):
    """A CLIP with a depth branch; features are not normalised."""

    def encode_image(self, images: torch.Tensor, branch: Branch = "base") -> torch.Tensor:
        """[N, 3, S, S] -> [N, E]."""
        ...

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """[N, L] -> [N, E]."""
        ...


@runtime_checkable
class SharedPrefixEncoder(Protocol):
    """An encoder that runs the frozen part of the tower once for both branches."""

    def encode_both(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[N, 3, S, S] -> base [N, E], depth [N, E]."""
        ...


class AlignedEncoder(Encoder, Protocol):
    """An encoder around the CLIP that it was trained from."""

    @property
    def clip(self) -> "OpenClip": ...

    @property
    def device(self) -> torch.device: ...


@dataclass(frozen=True)
class EvaluatedModel:
    """An encoder with what is needed to feed it.

    `fingerprint` tells what made the weights and `weights`, where known, their bytes: cached features are reused only
    where both are the same.
    """

    name: str
    encoder: Encoder
    tokenize: Callable[[Sequence[str]], torch.Tensor]
    image_size: int
    fingerprint: str
    device: str = "cpu"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    logit_scale: float = 100.0
    """What CLIP multiplies cosines with before its softmax; used for probabilities shown to people."""
    weights: str = ""

    def autocast(self, precision: str) -> torch.autocast:
        """bfloat16 where asked for; float32 runs untouched."""
        return torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=precision == "bfloat16")

    @classmethod
    def aligned(
        cls, aligned: AlignedEncoder, spec: "ClipSpec", fingerprint: str, weights: str = ""
    ) -> "EvaluatedModel":
        """Wrap a depth-aligned CLIP built from `spec`; it runs where its weights lie."""
        from opendlign_core.clip import load_tokenizer

        tokenize = cast("Callable[[Sequence[str]], torch.Tensor]", load_tokenizer(spec))
        device, scale = str(aligned.device), float(aligned.clip.logit_scale.exp())
        return cls(
            spec.model, aligned, tokenize, spec.image_size, fingerprint, device, spec.mean, spec.std, scale, weights
        )


def encode_texts(model: EvaluatedModel, texts: Sequence[str], batch: int = 256) -> torch.Tensor:
    """Unit text features [N, E] on the CPU, float32."""
    parts: list[torch.Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(texts), batch):
            tokens = model.tokenize(list(texts[start : start + batch])).to(model.device)
            parts.append(unit(model.encoder.encode_text(tokens).float()).cpu())
    return torch.cat(parts)


def class_embeddings(
    model: EvaluatedModel, classes: Sequence[str], templates: Sequence[str], batch: int = 256
) -> torch.Tensor:
    """Mean of the unit features of every class's sentences, made unit again: [C, E] float32.

    Raises:
        NotFinite: the text encoder answers a class with NaN or infinity.
    """
    sentences = [fill(template, prompt_name(name)) for name in classes for template in templates]
    features = encode_texts(model, sentences, batch)  # [C * T, E]
    embeddings = unit(features.view(len(classes), len(templates), -1).mean(dim=1))
    named = [f"class {name!r}" for name in classes]
    require_finite(embeddings.numpy(), named, "the text encoder gives features", "its weights are damaged")
    return embeddings


def text_classifier(
    model: EvaluatedModel, classes: Sequence[str], text: TextName | tuple[str, ...], batch: int = 256
) -> torch.Tensor:
    """Class embeddings [C, E] of a recipe's `text`."""
    return class_embeddings(model, classes, resolve_templates(text), batch)


def text_key(model: EvaluatedModel, classes: Sequence[str], text: TextName | tuple[str, ...]) -> str:
    """Name of cached class embeddings: digest of the weights and of every word."""
    words = [model.fingerprint, model.weights, list(classes), list(resolve_templates(text))]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:24]
