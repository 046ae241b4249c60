"""Depth maps in, depth-aligned images out, each image painted from one depth map, one prompt and one seed."""

from typing import TYPE_CHECKING

from opendlign_core.lazy import lazy_exports
from opendlign_core.synthesis.recipe import (
    STAGE_VERSION,
    ControlNetRecipe,
    GateRecipe,
    ModelRef,
    PromptRecipe,
    ShadedRecipe,
    SynthesisExecution,
    SynthesisRecipe,
)

if TYPE_CHECKING:
    from opendlign_core.synthesis.captions import CaptionScorer, keep_recognised
    from opendlign_core.synthesis.cost import CostEstimate, estimate_cost
    from opendlign_core.synthesis.loading import load_scorer, load_synthesizer
    from opendlign_core.synthesis.official import OfficialObject, export_official, read_official
    from opendlign_core.synthesis.seeds import image_seed
    from opendlign_core.synthesis.stream import synthesize_objects
    from opendlign_core.synthesis.synthesizer import Painting, Synthesizer
    from opendlign_core.synthesis.types import AlignedObject, DepthObject, Progress, RejectedSynthesis

__all__ = [
    "STAGE_VERSION",
    "AlignedObject",
    "CaptionScorer",
    "ControlNetRecipe",
    "CostEstimate",
    "DepthObject",
    "GateRecipe",
    "ModelRef",
    "OfficialObject",
    "Painting",
    "Progress",
    "PromptRecipe",
    "RejectedSynthesis",
    "ShadedRecipe",
    "SynthesisExecution",
    "SynthesisRecipe",
    "Synthesizer",
    "estimate_cost",
    "export_official",
    "image_seed",
    "keep_recognised",
    "load_scorer",
    "load_synthesizer",
    "read_official",
    "synthesize_objects",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "AlignedObject": "types",
        "CaptionScorer": "captions",
        "CostEstimate": "cost",
        "DepthObject": "types",
        "OfficialObject": "official",
        "Painting": "synthesizer",
        "Progress": "types",
        "RejectedSynthesis": "types",
        "Synthesizer": "synthesizer",
        "estimate_cost": "cost",
        "export_official": "official",
        "image_seed": "seeds",
        "keep_recognised": "captions",
        "load_scorer": "loading",
        "load_synthesizer": "loading",
        "read_official": "official",
        "synthesize_objects": "stream",
    },
)
