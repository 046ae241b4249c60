"""CLIPs of open_clip: what they are, how they are loaded, what pixels and words they take."""

from typing import TYPE_CHECKING

from opendlign_core.clip.spec import (
    CLIP_MEAN,
    CLIP_STD,
    CONFIG_FILE,
    IMAGENET_MEAN,
    IMAGENET_STD,
    OFFICIAL_MODELS,
    WEIGHTS_FILE,
    ClipSpec,
    Dtype,
    OfficialModel,
    Precision,
    packaged_folder,
)
from opendlign_core.lazy import lazy_exports

if TYPE_CHECKING:
    from opendlign_core.clip.device import choose_device
    from opendlign_core.clip.features import object_features, unit, unit_array
    from opendlign_core.clip.load import OpenClip, architecture_of, load_clip, tagged_spec
    from opendlign_core.clip.pixels import (
        depth_to_input,
        images_to_input,
        prepare_pixels,
        resize_aligned,
        resize_pictures,
    )
    from opendlign_core.clip.precision import frozen_precision
    from opendlign_core.clip.tokens import Tokenizer, load_tokenizer

__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "CONFIG_FILE",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "OFFICIAL_MODELS",
    "WEIGHTS_FILE",
    "ClipSpec",
    "Dtype",
    "OfficialModel",
    "OpenClip",
    "Precision",
    "Tokenizer",
    "architecture_of",
    "choose_device",
    "depth_to_input",
    "frozen_precision",
    "images_to_input",
    "load_clip",
    "load_tokenizer",
    "object_features",
    "packaged_folder",
    "prepare_pixels",
    "resize_aligned",
    "resize_pictures",
    "tagged_spec",
    "unit",
    "unit_array",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "OpenClip": "load",
        "Tokenizer": "tokens",
        "architecture_of": "load",
        "choose_device": "device",
        "depth_to_input": "pixels",
        "frozen_precision": "precision",
        "images_to_input": "pixels",
        "load_clip": "load",
        "load_tokenizer": "tokens",
        "object_features": "features",
        "prepare_pixels": "pixels",
        "resize_aligned": "pixels",
        "resize_pictures": "pixels",
        "tagged_spec": "load",
        "unit": "features",
        "unit_array": "features",
    },
)
