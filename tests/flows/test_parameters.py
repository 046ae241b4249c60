"""What the chain sends to a stage's deployment must pass the form that Prefect derives from the flow's signature."""

from typing import Any

import pytest
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate
from prefect.utilities.schema_tools.validation import validate

from flows.graph import Node
from flows.preset import Preset, PresetError, build_preset, load_preset, preset_names
from flows.regenerate import regenerate
from flows.stages import flow_of, parameters_of
from tasks.ports import Ref
from tasks.registry import STAGES
from tasks.running import Part
from tasks.stage import AnyStage
from tasks.train import TRAIN


def sent(preset: Preset, node: Node) -> dict[str, Any]:
    """The parameters of a node's run, as a distributed chain sends them."""
    refs = {
        port: [
            Ref(f"of {name}", preset.graph.by_name()[name].label, preset.graph.by_name()[name].stage.name)
            for name in names
        ]
        for port, names in node.inputs.items()
    }
    execution = preset.executions[node.stage.name]
    parameters = parameters_of(node.stage, "s3://bucket/prefix", node.recipe, refs, execution, preset="p")
    if node.stage.shared:
        parameters["part"] = Part(index=1, count=2)
    return parameters


def plain(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.model_dump(mode="json") if hasattr(value, "model_dump") else value
        for name, value in parameters.items()
    }


@pytest.mark.parametrize("name", preset_names())
def test_a_stage_accepts_what_the_chain_sends(name: str) -> None:
    fitting = [stage for stage in STAGES if makes_something(name, stage)]
    preset = load_preset(name, stages=[stage.name for stage in fitting])
    assert {node.stage for node in preset.graph.nodes} == set(fitting)
    accepts_what_is_sent(preset)


def makes_something(name: str, stage: AnyStage) -> bool:
    """Whether a stage can make anything of a preset's sources: scenes are for some, photos with poses for others."""
    try:
        return bool(load_preset(name, stages=[stage.name]))
    except PresetError:
        return False


def test_crops_are_named_with_the_stage_that_cut_them_out() -> None:
    preset = build_preset({"ingest": {"source": {"adapter": "rooms"}}, "propose": {}, "project": {}})
    assert sent(preset, preset.graph.first("project"))["clouds"] == "propose/of propose rooms"
    accepts_what_is_sent(preset)


def accepts_what_is_sent(preset: Preset) -> None:
    for node in preset.graph.nodes:
        flow, meant = flow_of(node.stage), sent(preset, node)
        given = plain(meant)
        validate(given, flow.parameters.model_dump_for_openapi(), raise_on_error=True)
        assert hydrate(given, HydrationContext()) == given
        # What arrives is again what was meant: the form loses nothing.
        assert flow.validate_parameters(given) == meant


def test_a_wrong_parameter_is_refused_by_the_form() -> None:
    preset = load_preset("vit-b-32")
    given = plain(sent(preset, preset.graph.first("train")))
    given["recipe"]["epochs"] = "many"
    with pytest.raises(Exception, match="epochs"):
        validate(given, flow_of(TRAIN).parameters.model_dump_for_openapi(), raise_on_error=True)


def forms() -> list[Flow[..., Any]]:
    return [regenerate, *map(flow_of, STAGES)]


@pytest.mark.parametrize("flow", forms(), ids=lambda flow: flow.name)
def test_the_form_explains_its_fields(flow: Flow[..., Any]) -> None:
    schema = flow.parameters.model_dump_for_openapi()
    described_forms = {"": schema, **schema.get("definitions", {})}
    unexplained = [
        f"{form}.{name}"
        for form, described in described_forms.items()
        for name, field in described.get("properties", {}).items()
        if not field.get("description") and not _explained_elsewhere(field)
    ]
    assert unexplained == []


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stages_flow_is_found_where_its_deployment_looks(stage: AnyStage) -> None:
    found: Flow[..., Any] = load_flow_from_entrypoint(f"flows/stages.py:{stage.name}")
    assert found.name == stage.name
    assert found.description is not None
    assert found.description.startswith(stage.about)


def _explained_elsewhere(field: dict[str, Any]) -> bool:
    """A form within the form has a description of its own; a constant only tells one form from another."""
    return "const" in field or "$ref" in field or "allOf" in field


def test_the_form_offers_choices_limits_and_defaults() -> None:
    fields = flow_of(TRAIN).parameters.model_dump_for_openapi()["definitions"]["TrainRecipe"]["properties"]
    assert fields["epochs"] | {"minimum": 1, "default": 10, "type": "integer"} == fields["epochs"]
    assert fields["trainer"]["enum"] == ["cached", "plain"]
    chosen, nothing = regenerate.parameters.model_dump_for_openapi()["properties"]["until"]["anyOf"]
    assert chosen["enum"] == [stage.name for stage in STAGES]
    assert nothing == {"type": "null"}


def test_a_regeneration_needs_no_parameter() -> None:
    validate({}, regenerate.parameters.model_dump_for_openapi(), raise_on_error=True)
