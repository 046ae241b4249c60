import subprocess
import sys

import pytest
from pydantic import ValidationError

from opendlign_core.synthesis import ControlNetRecipe, PromptRecipe, ShadedRecipe, SynthesisExecution, SynthesisRecipe


def test_importing_the_package_and_its_recipes_imports_no_torch() -> None:
    code = "import sys, opendlign_core.synthesis; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_prompt_is_the_papers() -> None:
    prompt = PromptRecipe().prompt(" office chair ")
    assert prompt.startswith("A realistic office chair, best quality, extremely realistic,")
    assert prompt.endswith("sharp edge, normal, complete.")
    assert PromptRecipe().negative_prompt.startswith("low-resolution, very blurry, unrealistic")
    assert PromptRecipe(template="a {metadata}", positive=()).prompt("mug") == "a mug"


def test_a_template_without_the_captions_place_is_refused() -> None:
    with pytest.raises(ValidationError, match="metadata"):
        PromptRecipe(template="A realistic chair.")


def test_a_painters_bare_name_stands_for_its_defaults() -> None:
    assert SynthesisRecipe.model_validate({"synthesizer": "controlnet"}).synthesizer == ControlNetRecipe()
    assert SynthesisRecipe().synthesizer == ShadedRecipe()
    with pytest.raises(ValidationError, match="shaded"):
        SynthesisRecipe.model_validate({"synthesizer": "watercolour"})


def test_the_controlnet_defaults_are_the_papers() -> None:
    recipe = ControlNetRecipe()
    assert (recipe.scheduler, recipe.steps, recipe.guidance, recipe.control_strength) == ("ddim", 20, 9.0, 1.0)
    assert (recipe.generation_size, recipe.median) == (256, 7)
    assert recipe.base.revision and recipe.controlnet.revision


@pytest.mark.parametrize(
    "field",
    [
        {"median": 4},
        {"guidance_interval": (0.6, 0.3)},
        {"generation_size": 100},
        {"guidance": 0.5},
        {"cfg": 3},
    ],
)
def test_settings_that_make_no_sense_are_refused(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ControlNetRecipe.model_validate(field)


def test_recipes_survive_json_and_are_hashable() -> None:
    recipe = SynthesisRecipe.model_validate({"synthesizer": {"name": "controlnet", "steps": 4}, "seed": 7})
    assert SynthesisRecipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert hash(recipe) == hash(recipe.model_copy())
    assert SynthesisExecution().device == "auto"


def test_a_ranking_that_rejects_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="caption_top_k"):
        SynthesisRecipe.model_validate({"gate": {"caption_top_k": 9, "caption_batch": 9}})
