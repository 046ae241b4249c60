"""What the evaluate stage asks of others."""

import pytest

from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvalRecipe
from tasks.evaluate import EVALUATE


def judged(projection: str) -> EvalRecipe:
    method = {"name": "m", "projection": projection}
    return EvalRecipe.model_validate({"datasets": [{"name": "a", "sources": ["toys"]}], "methods": [method]})


def test_depth_maps_of_every_projection_that_a_method_names_are_asked_for() -> None:
    asked = EVALUATE.companions(judged("pointclip-v2"))
    assert [(one.stage, one.label, one.sources) for one in asked] == [("project", "pointclip-v2", frozenset({"toys"}))]


def test_a_projection_that_nobody_knows_is_refused_before_anything_runs() -> None:
    with pytest.raises(BadInput, match="unknown projection recipe 'fisheye'; choose one of opendlign"):
        EVALUATE.companions(judged("fisheye"))
