"""Aligning CLIP with depth: the depth branch, its token cache, its trainers and its checkpoints."""

from typing import TYPE_CHECKING

from opendlign_core.lazy import lazy_exports
from opendlign_core.training.pretraining_recipe import PretrainRecipe, mini_architecture
from opendlign_core.training.recipe import (
    CACHE_STAGE_VERSION,
    DLIGN_STAGE_VERSION,
    STAGE_VERSION,
    CacheRecipe,
    DlignRecipe,
    TrainExecution,
    TrainRecipe,
)

if TYPE_CHECKING:
    from opendlign_core.training.cache import build_entries, collect, decode_entries, encode_entry
    from opendlign_core.training.checkpoint import Adapter, load_aligned, read_adapter, save_adapter
    from opendlign_core.training.curves import draw_curves
    from opendlign_core.training.distributed import World, current_world, torchrun_world
    from opendlign_core.training.dlign import DlignEmbeddings, embed_images
    from opendlign_core.training.metrics import read_metrics
    from opendlign_core.training.model import DepthAlignedCLIP, Prefix
    from opendlign_core.training.official import import_official, load_official, read_official, write_official
    from opendlign_core.training.pretraining import PretrainStep, array_source, pretrain, save_clip
    from opendlign_core.training.run import TrainProgress, TrainResult, train
    from opendlign_core.training.sources import CacheEntries, InMemory, Objects, Sharded
    from opendlign_core.training.trainer import Trainer
    from opendlign_core.training.validation import Validation, validate

__all__ = [
    "CACHE_STAGE_VERSION",
    "DLIGN_STAGE_VERSION",
    "STAGE_VERSION",
    "Adapter",
    "CacheEntries",
    "CacheRecipe",
    "DepthAlignedCLIP",
    "DlignEmbeddings",
    "DlignRecipe",
    "InMemory",
    "Objects",
    "Prefix",
    "PretrainRecipe",
    "PretrainStep",
    "Sharded",
    "TrainExecution",
    "TrainProgress",
    "TrainRecipe",
    "TrainResult",
    "Trainer",
    "Validation",
    "World",
    "array_source",
    "build_entries",
    "collect",
    "current_world",
    "decode_entries",
    "draw_curves",
    "embed_images",
    "encode_entry",
    "import_official",
    "load_aligned",
    "load_official",
    "mini_architecture",
    "pretrain",
    "read_adapter",
    "read_metrics",
    "read_official",
    "save_adapter",
    "save_clip",
    "torchrun_world",
    "train",
    "validate",
    "write_official",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Adapter": "checkpoint",
        "CacheEntries": "sources",
        "DepthAlignedCLIP": "model",
        "DlignEmbeddings": "dlign",
        "InMemory": "sources",
        "Objects": "sources",
        "Prefix": "model",
        "PretrainStep": "pretraining",
        "Sharded": "sources",
        "TrainProgress": "run",
        "TrainResult": "run",
        "Trainer": "trainer",
        "Validation": "validation",
        "World": "distributed",
        "array_source": "pretraining",
        "build_entries": "cache",
        "collect": "cache",
        "current_world": "distributed",
        "decode_entries": "cache",
        "draw_curves": "curves",
        "embed_images": "dlign",
        "encode_entry": "cache",
        "import_official": "official",
        "load_aligned": "checkpoint",
        "load_official": "official",
        "pretrain": "pretraining",
        "read_adapter": "checkpoint",
        "read_metrics": "metrics",
        "read_official": "official",
        "save_adapter": "checkpoint",
        "save_clip": "pretraining",
        "torchrun_world": "distributed",
        "train": "run",
        "validate": "validation",
        "write_official": "official",
    },
)
