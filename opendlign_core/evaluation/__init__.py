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
    from opendlign_core.evaluation.benchmark import EvalSource, FeatureCache, evaluate
    from opendlign_core.evaluation.features import EvalSample
    from opendlign_core.evaluation.model import EvaluatedModel
    from opendlign_core.evaluation.results import EvaluationResults, read_results, write_results

__all__ = [
    "METHODS",
    "STAGE_VERSION",
    "VIEWS",
    "BootstrapSpec",
    "DatasetSpec",
    "EvalExecution",
    "EvalRecipe",
    "EvalSample",
    "EvalSource",
    "EvaluatedModel",
    "EvaluationResults",
    "FeatureCache",
    "FewShotSpec",
    "MethodSpec",
    "RetrievalSpec",
    "SearchSpec",
    "evaluate",
    "label_lists",
    "packaged_labels",
    "read_labels",
    "read_results",
    "read_templates",
    "write_results",
]
_HOMES = {
    "EvalSample": "features",
    "EvalSource": "benchmark",
    "EvaluatedModel": "model",
    "EvaluationResults": "results",
    "FeatureCache": "benchmark",
    "evaluate": "benchmark",
    "read_results": "results",
    "write_results": "results",
}

__getattr__ = lazy_exports(__name__, _HOMES)
