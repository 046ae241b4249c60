"""A preset: the graph of a whole run in one file, mostly in a short form with one recipe per stage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from flows.changes import apply_change
from flows.fields import group, validated
from flows.graph import Graph, default_graph, extended
from flows.yaml_text import read_yaml
from opendlign_core.errors import BadInput
from opendlign_core.ingestion import IngestRecipe
from opendlign_core.recipe import Recipe
from tasks.registry import STAGES, stage_named

FIELDS = ("name", "benchmarks", "nodes", "execution")
"""What a preset may say beside the recipes of stages."""


class PresetError(BadInput):
    """A preset that does not exist or does not make sense; the message says which field and why."""


@dataclass(frozen=True)
class Preset:
    """The recipes of a whole run, from shapes to a benchmarked model."""

    name: str
    recipes: Mapping[str, Any]
    """By stage; that of the stage that reads no other describes the shapes that are trained on."""
    benchmarks: tuple[IngestRecipe, ...]
    """Further sources that are only evaluated; none means that the training source's own test split is."""
    executions: Mapping[str, Any]
    """How each stage runs; none of it changes a byte."""
    gpu_workers: int | None
    """How many workers share a stage in a distributed run; None: as many as the server has GPU slots."""
    labels: Mapping[str, str]
    nodes: Mapping[str, Mapping[str, Any]]
    """Nodes beside those of the short form, spelled out."""

    @cached_property
    def graph(self) -> Graph:
        """Every output of a run of this preset."""
        sources = (*self._trained_on, *self.benchmarks)
        return extended(default_graph(self.recipes, _by_name(sources), self.labels), self.nodes)

    def alone(self, stage: str, given: Mapping[str, str]) -> Graph:
        """The graph of one stage with finished outputs in place of others: a model, and what it is judged on."""
        reached = _reached(stage, set(given), self.recipes.keys())
        recipes = {name: recipe for name, recipe in self.recipes.items() if name in reached}
        return default_graph(recipes, _by_name(self.judged), self.labels, given)

    @property
    def judged(self) -> tuple[IngestRecipe, ...]:
        """The sources that a model is judged on without being trained: the benchmarks, or else the training source."""
        return self.benchmarks or self._trained_on

    @property
    def source(self) -> IngestRecipe:
        """The shapes that are trained on."""
        if not self._trained_on:
            raise BadInput(f"the preset {self.name} has no source of shapes of its own")
        return self._trained_on[0]

    @property
    def _trained_on(self) -> tuple[IngestRecipe, ...]:
        return tuple(self.recipes[stage.name] for stage in STAGES if not stage.reads and stage.name in self.recipes)


def _by_name(sources: Sequence[IngestRecipe]) -> dict[str, Recipe]:
    named: dict[str, Recipe] = {source_name(recipe): recipe for recipe in sources}
    if len(named) < len(sources):
        raise BadInput(
            f"two sources share a name, give each its own (source.name): {', '.join(map(source_name, sources))}"
        )
    return named


def _reached(stage: str, given: set[str], known: Collection[str] = ()) -> set[str]:
    """The stage and those that it cannot do without, but for the given ones and what they are made from.

    Of stages that may stand in for each other those that are `known` are reached, or else the first; and of what a
    stage can do without, known stages that neither paint nor train.
    """
    found, waiting = set[str](), [stage]
    while waiting:
        name = waiting.pop()
        if name not in found | given:
            found.add(name)
            cheap = {other for other in known if stage_named(other).pool == "cpu"}
            needed = [port for port in stage_named(name).reads if not port.optional or port.stage in cheap]
            for port in needed:
                waiting += [maker for maker in port.stages if maker in known] or [port.stage]
    return found


def source_name(recipe: IngestRecipe) -> str:
    """How people and object ids call a source."""
    return recipe.source.name or recipe.source.adapter


def preset_names() -> list[str]:
    """The presets that come with the product."""
    folder = resources.files("flows.presets")
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))


def load_preset(name: str, changes: Sequence[str] = (), *, stages: Sequence[str] = ()) -> Preset:
    """Load a shipped preset or a YAML file and apply changes such as `train.epochs=5`.

    `stages` are taken with their default recipes where the preset does not name them.

    Raises:
        PresetError: for an unknown name, an unknown field or a value that does not fit.
    """
    raw = _read(name)
    for change in changes:
        try:
            apply_change(raw, change)
        except ValueError as error:
            raise PresetError(f"--set {change!r}: {error}") from error
    for stage in stages:
        raw.setdefault(stage, {})
    return build_preset(raw, name)


def build_preset(raw: Mapping[str, Any], name: str = "given") -> Preset:
    """Validate a preset's mapping, with its short forms spelled out."""
    try:
        preset = _built(raw)
        _ = preset.graph  # one that does not hold together is refused here
        return preset
    except (ValueError, LookupError, FileNotFoundError, TypeError) as error:
        raise PresetError(f"preset {name}: {error}") from error


def _built(raw: Mapping[str, Any]) -> Preset:
    known = {stage.name for stage in STAGES}
    if unknown := raw.keys() - known - set(FIELDS):
        raise PresetError(
            f"{', '.join(sorted(unknown))}: no such stage or field; there are {', '.join((*sorted(known), *FIELDS))}"
        )
    given = _with_needed({stage.name: raw[stage.name] or {} for stage in STAGES if stage.name in raw})
    run = dict(raw.get("execution") or {})
    workers = run.pop("gpu_workers", None)
    if unknown := run.keys() - known:
        raise PresetError(f"execution.{sorted(unknown)[0]}: no such stage")
    if not (workers is None or (isinstance(workers, int) and workers > 0)):
        raise PresetError(f"execution.gpu_workers: a number of workers, not {workers!r}")
    return Preset(
        name=str(raw.get("name", "given")),
        recipes={name: _recipe(name, fields, raw) for name, fields in given.items()},
        benchmarks=tuple(validated("benchmarks", IngestRecipe, fields) for fields in raw.get("benchmarks") or ()),
        executions={
            stage.name: validated(f"execution.{stage.name}", stage.execution, run.get(stage.name) or {})
            for stage in STAGES
        },
        gpu_workers=workers,
        labels={name: label for name, fields in given.items() if (label := stage_named(name).label(fields))},
        nodes=raw.get("nodes") or {},
    )


def _with_needed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The stages of a preset with those that they cannot do without, which are taken with their defaults."""
    needed = {name for stage in given for name in _reached(stage, set(), given)}
    needed |= {name for stage, fields in given.items() for name in stage_named(stage).usual(fields or {})}
    return {stage.name: given.get(stage.name, {}) for stage in STAGES if stage.name in {*given, *needed}}


def _recipe(name: str, given: Mapping[str, Any], preset: Mapping[str, Any]) -> Any:
    stage = stage_named(name)
    return validated(name, stage.recipe, stage.spell_out(group(name, given), preset))


def _read(name: str) -> dict[str, Any]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise PresetError(f"no preset file {name}")
        text = path.read_text(encoding="utf-8")
    elif name in preset_names():
        text = (resources.files("flows.presets") / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise PresetError(f"unknown preset {name!r}; choose one of {', '.join(preset_names())} or name a .yaml file")
    try:
        raw = read_yaml(text)
    except yaml.YAMLError as error:
        raise PresetError(f"preset {name} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise PresetError(f"preset {name} must be a mapping of stages")
    raw.setdefault("name", path.stem)
    return raw
