"""A preset: the recipes of all stages in one file."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from flows.changes import apply_change
from opendlign_core.clip import ClipSpec
from opendlign_core.evaluation import EvalExecution, EvalRecipe
from opendlign_core.ingestion import IngestExecution, IngestRecipe
from opendlign_core.projection import ProjectionExecution, ProjectionRecipe, resolve_recipe
from opendlign_core.recipe import Recipe
from opendlign_core.synthesis import SynthesisExecution, SynthesisRecipe
from opendlign_core.training import TrainExecution, TrainRecipe


class PresetError(ValueError):
    """A preset that does not exist or does not make sense; the message says which field and why."""


class Executions(Recipe):
    """How each stage runs; none of it changes a byte."""

    ingest: IngestExecution = IngestExecution()
    project: ProjectionExecution = ProjectionExecution()
    synthesize: SynthesisExecution = SynthesisExecution()
    train: TrainExecution = TrainExecution()
    evaluate: EvalExecution = EvalExecution()
    gpu_workers: int | None = Field(default=None, ge=1)
    """How many workers share the synthesize stage in a distributed run; None: as many as the server has GPU slots."""


class Preset(Recipe):
    """The recipes of a whole run, from shapes to a benchmarked model."""

    name: str
    ingest: IngestRecipe
    """The shapes that are painted and trained on."""
    benchmarks: tuple[IngestRecipe, ...] = ()
    """Further sources that are only evaluated; none means that the training source's own test split is."""
    project: ProjectionRecipe
    synthesize: SynthesisRecipe
    train: TrainRecipe
    evaluate: EvalRecipe
    execution: Executions = Executions()


def source_name(recipe: IngestRecipe) -> str:
    """How people and object ids call a source."""
    return recipe.source.name or recipe.source.adapter


def preset_names() -> list[str]:
    """The presets that come with the product."""
    folder = resources.files("flows.presets")
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))


def load_preset(name: str, changes: Sequence[str] = ()) -> Preset:
    """Load a shipped preset or a YAML file and apply changes such as `train.epochs=5`.

    Raises:
        PresetError: for an unknown name, an unknown field or a value that does not fit.
    """
    raw = _read(name)
    for change in changes:
        try:
            apply_change(raw, change)
        except ValueError as error:
            raise PresetError(f"--set {change!r}: {error}") from error
    return build_preset(raw, name)


def build_preset(raw: Mapping[str, Any], name: str = "given") -> Preset:
    """Validate a preset's mapping, with its short forms spelled out."""
    try:
        return Preset.model_validate({**raw, "project": _projection(raw), "train": _training(raw)})
    except (ValidationError, ValueError, FileNotFoundError, TypeError) as error:
        raise PresetError(f"preset {name}: {_first_problem(error)}") from error


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
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PresetError(f"preset {name} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise PresetError(f"preset {name} must be a mapping of stages")
    raw.setdefault("name", path.stem)
    return raw


def _projection(raw: Mapping[str, Any]) -> Any:
    """`base: opendlign` starts from a published recipe; other fields change it."""
    given = raw.get("project")
    if not isinstance(given, dict) or "base" not in given:
        return given
    changes = {field: value for field, value in given.items() if field != "base"}
    return {**resolve_recipe(given["base"]).model_dump(), **changes}


def _training(raw: Mapping[str, Any]) -> Any:
    """`official: MODEL` starts from a published recipe, `clip: package:NAME` from weights shipped with the product."""
    given = raw.get("train")
    if not isinstance(given, dict):
        return given
    fields = dict(given)
    if "official" in fields:
        fields = {**TrainRecipe.official(fields.pop("official")).model_dump(), **fields}
    clip = fields.get("clip")
    if isinstance(clip, str):
        fields["clip"] = ClipSpec.packaged(clip.removeprefix("package:")).model_dump()
    return fields


def _first_problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    return f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}"
