"""What the chain sends to a stage's deployment must pass the form that Prefect derives from the flow's signature."""

from typing import Any

import pytest
from prefect import Flow
from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate
from prefect.utilities.schema_tools.validation import validate

from flows.evaluate import evaluate
from flows.ingest import ingest
from flows.preset import Preset, load_preset
from flows.project import project
from flows.regenerate import regenerate
from flows.synthesize import synthesize
from flows.train import train
from tasks.evaluate import Inputs
from tasks.running import Part

PRESETS = ["vit-b-32", "vit-b-16", "vit-l-14", "vit-h-14", "mini"]


def stage_parameters(preset: Preset) -> list[tuple[Flow[..., Any], dict[str, Any]]]:
    run, inputs = preset.execution, Inputs(model="m", clouds=("c",), depths=("d",), aligned="a")
    return [
        (ingest, {"recipe": preset.ingest, "execution": run.ingest}),
        (project, {"clouds": "c", "recipe": preset.project, "execution": run.project}),
        (
            synthesize,
            {"depths": "d", "recipe": preset.synthesize, "execution": run.synthesize, "part": Part(index=1, count=2)},
        ),
        (train, {"aligned": "a", "recipe": preset.train, "execution": run.train}),
        (evaluate, {"inputs": inputs, "recipe": preset.evaluate, "execution": run.evaluate}),
    ]


def as_sent(parameters: dict[str, Any]) -> dict[str, Any]:
    plain = {
        name: value.model_dump(mode="json") if hasattr(value, "model_dump") else value
        for name, value in parameters.items()
    }
    return {"store": "s3://bucket/prefix", "preset": "p", **plain}


@pytest.mark.parametrize("name", PRESETS)
def test_a_stage_accepts_what_the_chain_sends(name: str) -> None:
    for flow, parameters in stage_parameters(load_preset(name)):
        schema = flow.parameters.model_dump_for_openapi()
        sent = as_sent(parameters)
        validate(sent, schema, raise_on_error=True)
        assert hydrate(sent, HydrationContext()) == sent
        # What arrives is again what was meant: the form loses nothing.
        received = flow.validate_parameters(sent)
        for parameter, value in parameters.items():
            assert received[parameter] == value


def test_a_wrong_parameter_is_refused_by_the_form() -> None:
    sent = as_sent({"recipe": load_preset("vit-b-32").train, "aligned": "a"})
    sent["recipe"]["epochs"] = "many"
    with pytest.raises(Exception, match="epochs"):
        validate(sent, train.parameters.model_dump_for_openapi(), raise_on_error=True)


FLOWS = [ingest, project, synthesize, train, evaluate, regenerate]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_the_form_explains_its_fields(flow: Flow[..., Any]) -> None:
    schema = flow.parameters.model_dump_for_openapi()
    forms = {"": schema, **schema.get("definitions", {})}
    unexplained = [
        f"{form}.{name}"
        for form, described in forms.items()
        for name, field in described.get("properties", {}).items()
        if not field.get("description") and not _explained_elsewhere(field)
    ]
    assert unexplained == []


def _explained_elsewhere(field: dict[str, Any]) -> bool:
    """A form within the form has a description of its own; a constant only tells one form from another."""
    return "const" in field or "$ref" in field or "allOf" in field


def test_the_form_offers_choices_limits_and_defaults() -> None:
    fields = train.parameters.model_dump_for_openapi()["definitions"]["TrainRecipe"]["properties"]
    assert fields["epochs"] | {"minimum": 1, "default": 10, "type": "integer"} == fields["epochs"]
    assert fields["trainer"]["enum"] == ["cached", "plain"]
    assert regenerate.parameters.model_dump_for_openapi()["properties"]["until"]["enum"][0] == "ingest"


def test_a_regeneration_needs_no_parameter() -> None:
    validate({}, regenerate.parameters.model_dump_for_openapi(), raise_on_error=True)
