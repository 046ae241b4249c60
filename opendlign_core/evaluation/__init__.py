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
    from opendlign_core.evaluation.benchmark import EvalSource, evaluate
    from opendlign_core.evaluation.cached import FeatureCache
    from opendlign_core.evaluation.features import EvalSample
    from opendlign_core.evaluation.index import EmbeddingIndex, Hit
    from opendlign_core.evaluation.model import EvaluatedModel
    from opendlign_core.evaluation.objects import (
        Classification,
        build_index,
        classification_picture,
        classify,
        hits_picture,
        query_embedding,
        search,
    )
    from opendlign_core.evaluation.report import render_report
    from opendlign_core.evaluation.report_data import Curve, ExamplePicture, ImagePair, ReportData, StageCost
    from opendlign_core.evaluation.results import EvaluationResults, read_results, write_results

_HOMES = {
    "Classification": "objects",
    "Curve": "report_data",
    "EmbeddingIndex": "index",
    "EvalSample": "features",
    "EvalSource": "benchmark",
    "EvaluatedModel": "model",
    "EvaluationResults": "results",
    "ExamplePicture": "report_data",
    "FeatureCache": "cached",
    "Hit": "index",
    "ImagePair": "report_data",
    "ReportData": "report_data",
    "StageCost": "report_data",
    "build_index": "objects",
    "classification_picture": "objects",
    "classify": "objects",
    "evaluate": "benchmark",
    "hits_picture": "objects",
    "query_embedding": "objects",
    "read_results": "results",
    "render_report": "report",
    "search": "objects",
    "write_results": "results",
}

__all__ = [
    "METHODS",
    "STAGE_VERSION",
    "VIEWS",
    "BootstrapSpec",
    "Classification",
    "Curve",
    "DatasetSpec",
    "EmbeddingIndex",
    "EvalExecution",
    "EvalRecipe",
    "EvalSample",
    "EvalSource",
    "EvaluatedModel",
    "EvaluationResults",
    "ExamplePicture",
    "FeatureCache",
    "FewShotSpec",
    "Hit",
    "ImagePair",
    "MethodSpec",
    "ReportData",
    "RetrievalSpec",
    "SearchSpec",
    "StageCost",
    "build_index",
    "classification_picture",
    "classify",
    "evaluate",
    "hits_picture",
    "label_lists",
    "packaged_labels",
    "query_embedding",
    "read_labels",
    "read_results",
    "read_templates",
    "render_report",
    "search",
    "write_results",
]

__getattr__ = lazy_exports(__name__, _HOMES)
