"""A Prefect flow for every stage: its form follows from the stage's ports, recipe and execution."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prefect import Flow, flow
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from opendlign_core.recipe import Execution, Recipe
from tasks.ports import Port, Ref, Refs
from tasks.progress import Listener
from tasks.registry import STAGES, stage_named
from tasks.running import Order, Part, run_stage
from tasks.stage import AnyStage, ShardedStage

StageFlow = Flow[..., str]


def flow_of(stage: AnyStage, listener: Listener | None = None, origin: Any = None) -> StageFlow:
    """The flow of a stage: `flow_of(PROJECT)(store, clouds, recipe)` returns the fingerprint of the depth maps.

    `listener` is told of every step; `origin` is what the stage reads from outside the store, if it was listed before.
    """
    signature = inspect.Signature(list(_parameters(stage)), return_annotation=str)

    def run(*values: Any, **named: Any) -> str:
        given = signature.bind(*values, **named)
        given.apply_defaults()
        asked = given.arguments
        order = Order(
            stage,
            asked["store"],
            asked["recipe"],
            received(stage, asked),
            asked["execution"] or stage.execution(),
            asked.get("part") or Part(),
            asked["preset"],
            listener,
            origin,
        )
        return run_stage(order)

    run.__name__ = run.__qualname__ = stage.name
    run.__doc__ = "\n".join([stage.about, "", "Args:", *_explained(stage)])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: given.annotation for name, given in signature.parameters.items()} | {"return": str}
    in_flight = stage.in_flight if isinstance(stage, ShardedStage) else 1
    runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=in_flight)
    return flow(name=stage.name, task_runner=runner)(run)


def parameters_of(
    stage: AnyStage, store: str, recipe: Recipe, refs: Refs, execution: Execution, preset: str = ""
) -> dict[str, Any]:
    """What a stage's flow is called with to make an output of a recipe from these inputs."""
    inputs = {port.name: _sent(port, refs.get(port.name, ())) for port in stage.reads}
    return {"store": store, **inputs, "recipe": recipe, "execution": execution, "preset": preset}


def received(stage: AnyStage, given: Mapping[str, Any]) -> Refs:
    """The inputs in a stage's parameters."""
    return {port.name: list(_refs(given.get(port.name))) for port in stage.reads}


def _refs(value: Any) -> Iterator[Ref]:
    if isinstance(value, str):
        yield _ref(value)
    elif isinstance(value, Mapping):
        yield from (_ref(named, label) for label, found in value.items() for named in found)
    elif value is not None:
        yield from (_ref(named) for named in value)


def _ref(named: str, label: str = "") -> Ref:
    """An output named by its fingerprint, or by stage and fingerprint."""
    stage, _, fingerprint = named.rpartition("/")
    return Ref(fingerprint, label, stage)


def _sent(port: Port, refs: Sequence[Ref]) -> Any:
    if port.labelled:
        labels = dict.fromkeys(ref.label for ref in refs)
        return {label: [_named(port, ref) for ref in refs if ref.label == label] for label in labels}
    if port.many:
        return [_named(port, ref) for ref in refs]
    return _named(port, refs[0]) if refs else None


def _named(port: Port, ref: Ref) -> str:
    return ref.fingerprint if port.maker(ref) == port.stage else f"{ref.stage}/{ref.fingerprint}"


def _parameters(stage: AnyStage) -> Iterator[inspect.Parameter]:
    yield _parameter("store", str)
    needed = [port for port in stage.reads if not port.optional]
    yield from (_parameter(port.name, _form(port)) for port in needed)
    yield _parameter("recipe", stage.recipe)
    for port in (port for port in stage.reads if port.optional):
        yield _parameter(port.name, _form(port) | None, None)
    yield _parameter("execution", stage.execution | None, None)
    if stage.shared:
        yield _parameter("part", Part | None, None)
    yield _parameter("preset", str, "")


def _form(port: Port) -> Any:
    """What a port's parameter holds: a fingerprint, several, or several by label."""
    if port.labelled:
        return dict[str, list[str]]
    return list[str] if port.many else str


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)


def _explained(stage: AnyStage) -> Iterator[str]:
    yield "    store: A folder or s3://bucket/prefix."
    yield from (f"    {port.name}: {port.about}" for port in stage.reads)
    yield "    recipe: Everything that changes the output."
    yield "    execution: How it is run; nothing of it changes the output."
    if stage.shared:
        yield "    part: The share of the shards this run builds, where several workers share the stage."
    yield "    preset: Name shown in the run's name; results of the same name are compared with each other."


# A deployment names its flow as an attribute of this module: flows/stages.py:project.
globals().update({stage.name: flow_of(stage) for stage in STAGES})


def stage_flow(name: str) -> StageFlow:
    """The flow of the stage of that name."""
    return flow_of(stage_named(name))
