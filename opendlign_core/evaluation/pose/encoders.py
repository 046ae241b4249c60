"""Encoders whose blocks are probed: towers of open_clip with their depth branch, and vision models of transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from opendlign_core.clip.pixels import prepare_pixels, resize_pictures
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.evaluation.specs import Branch
from opendlign_core.pose import Floats


@runtime_checkable
class BlockEncoder(Protocol):
    """A tower that shows what leaves its blocks."""

    @property
    def depth(self) -> int: ...

    def block_outputs(self, images: Tensor, branch: Branch, blocks: Sequence[int]) -> list[Tensor]:
        """Raw outputs [N, 1 + P, D] of some blocks, class token first."""
        ...


class PoseTeller(Protocol):
    """A network that was trained to tell poses."""

    def tell(self, photos: Tensor) -> tuple[Floats, tuple[str, ...]]:
        """Angles [N, 3] of square photos [N, S, S, 3] uint8 and, where it tells them, their categories."""
        ...


class Probed(Protocol):
    """What probes read: photos to the outputs of blocks."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str:
        """Changes whenever its outputs would."""
        ...

    @property
    def depth(self) -> int:
        """How many blocks there are."""
        ...

    def outputs(self, photos: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """Raw outputs [N, 1 + P, D] of some blocks for square photos [N, S, S, 3] uint8."""
        ...


@dataclass(frozen=True)
class ProbedTower:
    """One branch of the evaluated model."""

    model: EvaluatedModel
    branch: Branch

    @property
    def name(self) -> str:
        return f"{self.model.name}, {'frozen' if self.branch == 'base' else 'tuned'}"

    @property
    def identity(self) -> str:
        return f"{self.model.fingerprint} {self.model.weights} {self.branch}"

    @property
    def depth(self) -> int:
        return self._encoder.depth

    def outputs(self, photos: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        sized = resize_pictures(photos, self.model.image_size).movedim(-1, 1).float() / 255
        statistics = (self.model.mean, self.model.std)
        pixels = prepare_pixels(sized.to(self.model.device), self.model.image_size, statistics)
        return self._encoder.block_outputs(pixels, self.branch, blocks)

    @property
    def _encoder(self) -> BlockEncoder:
        encoder = self.model.encoder
        if not isinstance(encoder, BlockEncoder):
            raise BadInput(f"{self.model.name} does not show the outputs of its blocks, which probes read")
        return encoder


@dataclass(frozen=True)
class ProbedFolder:
    """A vision model of `transformers` in a folder, such as DINOv2, DeiT, MAE or ViT, with its own preprocessing."""

    folder: Path
    digest: str
    """Of its weights."""
    device: str = "cpu"
    masked: bool = False
    """Whether MAE hides three quarters of the patches, as its configuration says and the reference left it."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def identity(self) -> str:
        return f"{self.digest} {self.masked}"

    @property
    def depth(self) -> int:
        return int(self._model.config.num_hidden_layers)

    def outputs(self, photos: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        pixels = self._processor(images=list(photos.numpy()), return_tensors="pt")["pixel_values"]
        found = self._model(pixel_values=pixels.to(self.device), output_hidden_states=True).hidden_states[1:]
        return [found[block] for block in blocks]

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModel

        try:
            model = AutoModel.from_pretrained(self.folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise BadInput(f"{self.folder}: not a folder that transformers can load a model from ({error})") from error
        model = getattr(model, "vision_model", model)
        if hasattr(model.config, "mask_ratio") and not self.masked:
            model.config.mask_ratio = 0.0
        return model.to(self.device).eval()

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoImageProcessor

        try:
            return AutoImageProcessor.from_pretrained(self.folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise BadInput(f"{self.folder}: has no preprocessor_config.json, which says how photos enter") from error
