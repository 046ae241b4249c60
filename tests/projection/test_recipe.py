import subprocess
import sys

import pytest
from pydantic import ValidationError

from opendlign_core.projection import RECIPES, ProjectionRecipe, resolve_recipe


def test_published_sizes() -> None:
    sizes = {name: (len(recipe.views), recipe.image_size) for name, recipe in RECIPES.items()}
    assert sizes == {
        "opendlign": (10, 224),
        "opendlign-3d": (10, 224),
        "pointclip-v2": (10, 110),
        "pointclip-v2-seg": (10, 224),
        "pointclip": (6, 224),
    }


def test_recipes_survive_json() -> None:
    for recipe in RECIPES.values():
        assert ProjectionRecipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 4}, "size"),
        ({"median": 4}, "odd"),
        ({"colour": 1}, "colour"),
        ({"first_points": 1}, "first_points"),
        ({"smooth": {"kind": "gaussian", "window": (1, 4, 4)}}, "odd along every axis"),
        ({"densify": {"kind": "window-max", "window": (1, 7, 5)}}, "square in the image plane"),
        ({"densify": {"kind": "window-max", "window": (3, 7, 7)}}, "need padding 1"),
        ({"size": 8, "densify": {"kind": "window-max", "window": (1, 9, 9)}}, "do not fit"),
    ],
)
def test_impossible_recipes_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RECIPES["opendlign"].replace(**change)


def test_a_name_or_a_recipe_will_do() -> None:
    assert resolve_recipe("opendlign") is RECIPES["opendlign"]
    assert resolve_recipe(RECIPES["pointclip"]) is RECIPES["pointclip"]


def test_recipes_need_no_torch() -> None:
    code = "import sys, opendlign_core.projection; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
