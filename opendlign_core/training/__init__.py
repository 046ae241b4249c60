"""Aligning CLIP with depth: the depth branch, its token cache, its trainers and its checkpoints."""

from typing import TYPE_CHECKING

from opendlign_core.lazy import lazy_exports
from opendlign_core.training.pretraining_recipe import PretrainRecipe, mini_architecture
from opendlign_core.training.recipe import (
    CACHE_STAGE_VERSION,
    OFFICIAL_MODELS,
    STAGE_VERSION,
    CacheRecipe,
    ClipSpec,
    DlignRecipe,
    TrainExecution,
    TrainRecipe,
)

if TYPE_CHECKING:
    from opendlign_core.training.clip import load_clip, load_tokenizer, resolve_device
    from opendlign_core.training.model import DepthAlignedCLIP
    from opendlign_core.training.preprocess import depth_to_input, images_to_input
    from opendlign_core.training.pretraining import array_source, pretrain

__all__ = [
    "CACHE_STAGE_VERSION",
    "OFFICIAL_MODELS",
    "STAGE_VERSION",
    "CacheRecipe",
    "ClipSpec",
    "DepthAlignedCLIP",
    "DlignRecipe",
    "PretrainRecipe",
    "TrainExecution",
    "TrainRecipe",
    "array_source",
    "depth_to_input",
    "images_to_input",
    "load_clip",
    "load_tokenizer",
    "mini_architecture",
    "pretrain",
    "resolve_device",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "DepthAlignedCLIP": "model",
        "array_source": "pretraining",
        "depth_to_input": "preprocess",
        "images_to_input": "preprocess",
        "load_clip": "clip",
        "load_tokenizer": "clip",
        "pretrain": "pretraining",
        "resolve_device": "clip",
    },
)
