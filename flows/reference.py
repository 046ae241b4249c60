"""Every field that a preset may hold and `--set` may change, told from the recipes themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tasks.registry import STAGES
from tasks.stage import AnyStage

NO_DEFAULT = "required"
LONGEST = 60


@dataclass(frozen=True)
class FieldLine:
    """One field: how it is written, what it takes, and what it is for. `[]` stands for the name of a list's item."""

    path: str
    kind: str
    default: str
    about: str


def fields_of(stage: AnyStage) -> list[FieldLine]:
    """The fields of a stage's recipe, then those of its execution, which change no byte.

    >>> from tasks.registry import stage_named
    >>> next(line for line in fields_of(stage_named("train")) if line.path == "train.epochs").default
    '10'
    """
    recipe = _lines(stage.name, stage.recipe, stage.spell_out({}, {}))
    return [*recipe, *_lines(f"execution.{stage.name}", stage.execution)]


def places_of(field: str, stage: str = "") -> list[str]:
    """Where a field of that name stands; those of a stage, where it has any, else those of all."""
    every = {one.name: [line.path for line in fields_of(one)] for one in STAGES}
    found = {name: [path for path in paths if path.endswith(f".{field}")] for name, paths in every.items()}
    return found.get(stage) or [path for paths in found.values() for path in paths]


def _lines(place: str, model: type[BaseModel], given: Mapping[str, Any] | None = None) -> Iterator[FieldLine]:
    """The fields of a model; `given` are values that stand where a preset says nothing."""
    schema = model.model_json_schema()
    for name, value in (given or {}).items():
        schema["properties"][name]["default"] = value
    yield from _walk(place, schema, schema.get("$defs", {}))


def _walk(place: str, schema: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[FieldLine]:
    for name, field in schema.get("properties", {}).items():
        path = f"{place}.{name}"
        inside = [(suffix, known[group]) for suffix, group in _groups(field)]
        kind, about = _kind(field), " ".join(str(field.get("description") or "").split())
        # The defaults of a group stand beside its own fields.
        default = NO_DEFAULT if "default" not in field else "" if kind == "group" else _short(field["default"])
        yield FieldLine(path, kind, default, about)
        for suffix, group in inside:
            yield from _walk(f"{path}{suffix}", group, known)


def _groups(field: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The groups of fields inside of a field, each with what stands between both names."""
    if reference := field.get("$ref"):
        yield "", str(reference).rpartition("/")[2]
    for choice in (*field.get("anyOf", ()), *field.get("oneOf", ()), *field.get("allOf", ())):
        yield from _groups(choice)
    if isinstance(items := field.get("items"), Mapping):
        yield from ((f".[]{suffix}", group) for suffix, group in _groups(items))


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "const" in field:
        return str(field["const"])
    if choices := field.get("anyOf") or field.get("oneOf"):
        return " | ".join(dict.fromkeys(_kind(choice) for choice in choices))
    if "$ref" in field or "allOf" in field or field.get("type") == "object":
        return "group"
    if field.get("type") == "array":
        items = field.get("items")
        return f"list of {_kind(items)}" if isinstance(items, Mapping) else "list"
    return {"string": "text", "integer": "whole number", "boolean": "true | false", "null": "null"}.get(
        str(field.get("type", "")), str(field.get("type", "anything"))
    )


def _short(value: Any) -> str:
    text = {None: "null", True: "true", False: "false"}.get(value) if isinstance(value, bool | None) else str(value)
    return str(text) if len(str(text)) <= LONGEST else f"{str(text)[: LONGEST - 3]}..."
