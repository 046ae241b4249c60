"""What all recipes have in common: they cannot change, have a hash, and keep one canonical form."""

from typing import Any

import pytest
from pydantic import Field, ValidationError

from flows.preset import load_preset, preset_names
from opendlign_core.clip import ClipSpec
from opendlign_core.evaluation import EvalExecution
from opendlign_core.recipe import FrozenMapping, Recipe
from storage.fingerprint import canonical

TOWER: dict[str, Any] = {"embed_dim": 8, "vision_cfg": {"layers": [3, 4], "width": 32}, "text_cfg": {"width": 16}}


@pytest.mark.parametrize("name", preset_names())
def test_every_recipe_of_a_shipped_preset_has_a_hash(name: str) -> None:
    first, again = load_preset(name), load_preset(name)
    assert len(first.recipes) >= 3
    for stage, recipe in first.recipes.items():
        assert {recipe: stage}[again.recipes[stage]] == stage
    for mine, theirs in ((first.executions.values(), again.executions.values()), (first.benchmarks, again.benchmarks)):
        assert [hash(settings) for settings in mine] == [hash(settings) for settings in theirs]


def test_an_architecture_is_frozen_and_dumps_as_it_was_given() -> None:
    given = {**TOWER, "vision_cfg": dict(TOWER["vision_cfg"])}
    spec = ClipSpec(model="own", architecture=given)
    given["vision_cfg"]["width"] = 64
    assert spec.model_dump()["architecture"] == spec.model_dump(mode="json")["architecture"] == TOWER
    assert canonical(spec)["architecture"] == canonical(TOWER)
    assert ClipSpec.model_validate_json(spec.model_dump_json()) == spec == ClipSpec.model_validate(spec.model_dump())
    assert hash(spec) != hash(ClipSpec(model="own", architecture=given))
    with pytest.raises(TypeError):
        spec.architecture["embed_dim"] = 9  # type: ignore[index]


def test_a_plain_copy_is_the_caller_s_own() -> None:
    mapping = FrozenMapping(TOWER)
    mapping.plain()["vision_cfg"]["layers"].append(9)
    assert mapping == TOWER
    assert mapping.plain() == TOWER


def test_values_that_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValidationError, match="a recipe cannot hold object"):
        ClipSpec(architecture={"vision_cfg": {"kind": object()}})
    with pytest.raises(ValidationError, match="valid number"):
        EvalExecution(hourly_cost={"train": "dear"})
    assert EvalExecution(hourly_cost={"train": 2}).hourly_cost == {"train": 2.0}


class Grown(Recipe):
    width: int = 1
    height: int = Field(default=2, json_schema_extra={"added": True})


def test_a_field_added_later_is_dumped_where_it_says_something() -> None:
    assert Grown().model_dump() == {"width": 1}
    assert Grown(height=3).model_dump(mode="json") == {"width": 1, "height": 3}
    assert Grown.model_validate(Grown(height=3).model_dump()) == Grown(height=3)
    assert Grown.model_validate(Grown().model_dump()).height == 2
