"""One shape as the encoder sees it: its images, the places of its points in them, and the tokens of their patches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from opendlign_core.clip.cropping import crop_pixels, crop_to_encoder
from opendlign_core.clip.features import unit
from opendlign_core.clip.pixels import prepare_pixels
from opendlign_core.clip.tokens import Attention, cropped, enlarged
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.extractor import statistics_of
from opendlign_core.evaluation.model import EvaluatedModel
from opendlign_core.evaluation.segmentation.choices import AnswerSpec
from opendlign_core.evaluation.segmentation.head import PointPlaces
from opendlign_core.evaluation.specs import Branch, MethodSpec
from opendlign_core.samples import Lookup, Places

if TYPE_CHECKING:
    from opendlign_core.evaluation.features import Floats


@runtime_checkable
class PatchEncoder(Protocol):
    """An encoder that tells what each patch of an image shows."""

    def patch_tokens(self, images: Tensor, branch: Branch, attention: Attention, blocks: int) -> Tensor:
        """[N, 3, H, W] -> [N, R, C, E], not normalised."""
        ...


@dataclass(frozen=True)
class Eye:
    """A model that looks at the depth maps of shapes as one method does."""

    model: EvaluatedModel
    method: MethodSpec
    cropping: bool
    """Whether the border of the maps is cut off before they are brought to the encoder's size."""
    precision: str = "float32"
    batch: int = 160

    def images(self, depth: "Floats") -> Tensor:  # [V, S, S] -> [V, 3, size, size]
        """Encoder input for depth maps."""
        size = self.model.image_size
        maps = torch.from_numpy(depth)
        shown = crop_to_encoder(maps, size) if self.cropping else maps
        statistics = statistics_of(self.model, self.method.pixels)
        return prepare_pixels(shown[:, None].expand(-1, 3, -1, -1), size, statistics).to(self.model.device)

    def places(self, found: Places, mode: Lookup, native: int) -> PointPlaces:
        """Where points are in those images, of maps with `native` pixels a side, and which images show them.

        Raises:
            BadInput: the projection did not look points up in that mode.
        """
        if mode not in found.seen:
            raise BadInput(
                f"the depth maps tell {' and '.join(found.seen) or 'no'} visibility of points, but an answer asks for "
                f"the {mode} one; project with places=[corrected, faithful]"
            )
        size = self.model.image_size
        pixel = torch.stack([torch.from_numpy(at.astype("int64")) for at in (found.row, found.column)], -1)
        moved = crop_pixels(pixel, native, size) if self.cropping else _resized(pixel, native, size)
        return PointPlaces(moved, torch.from_numpy(found.seen[mode]), size)

    def tokens(self, images: Tensor, answer: AnswerSpec) -> Tensor:
        """Unit tokens [V, R, C, E], on the CPU, of the patches of images [V, 3, size, size].

        Raises:
            BadInput: the encoder has no patches, or not so many blocks.
        """
        encoder = self.model.encoder
        if not isinstance(encoder, PatchEncoder):
            raise BadInput(f"{self.model.name} gives no tokens of patches, which segmentation reads")
        branch: Branch = "depth" if self.method.branches == "depth" else "base"

        def encode(pixels: Tensor) -> Tensor:
            return encoder.patch_tokens(pixels, branch, answer.attention, answer.blocks)

        fine = _finer(encode, answer)
        with torch.inference_mode(), self.model.autocast(self.precision):
            found = [unit(fine(chunk).float()).cpu() for chunk in torch.split(images, self.batch)]
        return torch.cat(found)


def _finer(encode: Callable[[Tensor], Tensor], answer: AnswerSpec) -> Callable[[Tensor], Tensor]:
    if answer.finer == 1:
        return encode
    look = cropped if answer.crops else enlarged
    return lambda images: look(encode, images, answer.finer)


def _resized(pixel: Tensor, native: int, size: int) -> Tensor:
    """Where pixels lie after a resize with aligned corners."""
    return pixel if native == size else (pixel.float() * ((size - 1) / (native - 1))).round().long()
