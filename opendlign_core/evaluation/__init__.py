"""Benchmarks: zero-shot, few-shot, retrieval, baselines, and the report people look at."""

from typing import TYPE_CHECKING

from opendlign_core.evaluation.labels import label_lists, packaged_labels, read_labels
from opendlign_core.evaluation.recipe import (
    METHODS,
    STAGE_VERSION,
    VIEWS,
    BootstrapSpec,
    DatasetSpec,
    EvalExecution,
    EvalRecipe,
    FewShotSpec,
    MethodSpec,
    RetrievalSpec,
    SearchSpec,
)
from opendlign_core.evaluation.templates import read_templates
from opendlign_core.lazy import lazy_exports

if TYPE_CHECKING:
    pass

__all__ = [
    "METHODS",
    "STAGE_VERSION",
    "VIEWS",
    "BootstrapSpec",
    "DatasetSpec",
    "EvalExecution",
    "EvalRecipe",
    "FewShotSpec",
    "MethodSpec",
    "RetrievalSpec",
    "SearchSpec",
    "label_lists",
    "packaged_labels",
    "read_labels",
    "read_templates",
]
_HOMES: dict[str, str] = {}

__getattr__ = lazy_exports(__name__, _HOMES)
