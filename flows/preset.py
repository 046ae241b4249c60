"""A preset: the recipes of all stages in one file, and the few ways to change it from a command line."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from opendlign_core.evaluation import EvalExecution, EvalRecipe
from opendlign_core.ingestion import IngestExecution, IngestRecipe
from opendlign_core.projection import ProjectionExecution, ProjectionRecipe, resolve_recipe
from opendlign_core.recipe import Recipe
from opendlign_core.synthesis import SynthesisExecution, SynthesisRecipe
from opendlign_core.training import ClipSpec, TrainExecution, TrainRecipe

# People say both "train" and "training"; files and fingerprints use the verbs.
NOUNS = {
    "ingestion": "ingest",
    "projection": "project",
    "synthesis": "synthesize",
    "training": "train",
    "evaluation": "evaluate",
}


class PresetError(ValueError):
    """A preset that does not exist or does not make sense; the message says which field and why."""


class Executions(Recipe):
    """How each stage runs; none of it changes a byte."""

    ingest: IngestExecution = IngestExecution()
    project: ProjectionExecution = ProjectionExecution()
    synthesize: SynthesisExecution = SynthesisExecution()
    train: TrainExecution = TrainExecution()
    evaluate: EvalExecution = EvalExecution()
    gpu_workers: int = Field(default=1, ge=1)
    """How many workers share the synthesize stage in a distributed run."""


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
        _apply(raw, change)
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


def _apply(raw: dict[str, Any], change: str) -> None:
    """Set one dotted field; the value is read as YAML, so that numbers are numbers and `[1, 2]` is a list."""
    dotted, found, value = change.partition("=")
    steps = dotted.strip().split(".")
    if not found or len(steps) < 2:
        raise PresetError(f"--set {change!r}: write it as stage.field=value, such as train.epochs=5")
    steps[0] = NOUNS.get(steps[0], steps[0])
    if steps[0] not in Preset.model_fields:
        raise PresetError(
            f"--set {change!r}: no stage {steps[0]!r}; stages are {', '.join(NOUNS.values())}, execution"
        )
    place = raw
    for step in steps[:-1]:
        place = place.setdefault(step, {})
        if not isinstance(place, dict):
            raise PresetError(f"--set {change!r}: {step} is no group of fields")
    place[steps[-1]] = yaml.safe_load(value)


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
