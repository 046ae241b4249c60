"""The way from a recipe to its painter and to the judge of its captions."""

from opendlign_core.synthesis.captions import CaptionScorer
from opendlign_core.synthesis.recipe import (
    ControlNetRecipe,
    GateRecipe,
    ShadedRecipe,
    SynthesisExecution,
    SynthesisRecipe,
)
from opendlign_core.synthesis.synthesizer import Synthesizer


def load_synthesizer(
    recipe: SynthesisRecipe | ShadedRecipe | ControlNetRecipe | str = "shaded",
    execution: SynthesisExecution | None = None,
) -> Synthesizer:
    """The painter that a recipe, or a bare name ("shaded", "controlnet"), asks for.

    The negative prompt of a `SynthesisRecipe` goes with it. Loading a ControlNet takes seconds and memory: keep the
    result for all shards of a process.
    """
    if isinstance(recipe, str):
        recipe = SynthesisRecipe.model_validate({"synthesizer": recipe})
    elif not isinstance(recipe, SynthesisRecipe):
        recipe = SynthesisRecipe(synthesizer=recipe)
    painter, execution = recipe.synthesizer, execution or SynthesisExecution()
    if isinstance(painter, ShadedRecipe):
        from opendlign_core.synthesis.shaded import ShadedSynthesizer

        return ShadedSynthesizer(painter, execution.workers)
    from opendlign_core.synthesis.controlnet import ControlNetSynthesizer

    return ControlNetSynthesizer(painter, recipe.prompt.negative_prompt, execution)


def load_scorer(gate: GateRecipe, execution: SynthesisExecution | None = None) -> CaptionScorer | None:
    """The CLIP that ranks captions where the gate asks for it, None where it does not."""
    if gate.caption_top_k is None or gate.caption_clip is None:
        return None
    from opendlign_core.synthesis.scorer import ClipScorer

    return ClipScorer(gate.caption_clip, (execution or SynthesisExecution()).device)
