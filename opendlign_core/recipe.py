"""The two kinds of settings every stage has, told apart by whether they change the bytes."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

Value = TypeVar("Value")
DigestOf = Callable[[Path], str]

CONTENT = "sha256:"
"""What begins the name of something that is known by its content alone."""

# A field's docstring is what its form in the Prefect UI says below it.
SETTINGS = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Recipe(BaseModel):
    """Everything that changes a stage's output; enters the fingerprint whole, and has a hash for caches to key on."""

    model_config = SETTINGS

    @model_serializer(mode="wrap")
    def _dumped(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that were added later are told where they say something, so that older files keep their bytes."""
        silent = {name for name, field in type(self).model_fields.items() if _is_silent(field, getattr(self, name))}
        return {name: value for name, value in plain(self).items() if name not in silent}

    def settled(self, digest_of: DigestOf) -> Self:
        """The recipe as fingerprints see it: what it names by a place of this machine is named by its content.

        `digest_of` gives the sha256 of a file.
        """
        settled = {name: _settled(value, digest_of) for name, value in self}
        changed = {name: value for name, value in settled.items() if value is not getattr(self, name)}
        return self.model_copy(update=changed) if changed else self


def _is_silent(field: FieldInfo, value: Any) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("added")) and value == field.default


def _settled(value: Any, digest_of: DigestOf) -> Any:
    if isinstance(value, Recipe):
        return value.settled(digest_of)
    if isinstance(value, tuple):
        items = tuple(_settled(item, digest_of) for item in value)
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


class Execution(BaseModel):
    """How a stage is run (device, batch size, workers); never enters a fingerprint."""

    model_config = SETTINGS

    max_rejected_share: float = Field(default=0.05, ge=0, le=1)
    """Share of rejected samples above which a stage fails instead of publishing its manifest."""


class FrozenMapping(Mapping[str, Value]):
    """A JSON object as a field of a recipe: given and dumped as a plain mapping, held where nothing can change it.

    Mappings inside it are frozen likewise and lists become tuples, so that the whole has a hash.

    >>> FrozenMapping({"layers": [1, 2]})["layers"]
    (1, 2)
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values: dict[str, Any] = {name: _frozen(value) for name, value in values.items()}

    def plain(self) -> dict[str, Any]:
        """A copy of dictionaries and lists, for libraries that change what they are given."""
        return {name: _thawed(value) for name, value in self._values.items()}

    def __getitem__(self, name: str) -> Value:
        value: Value = self._values[name]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self.plain() == FrozenMapping(other).plain()

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.plain()!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        values = handler.generate_schema(get_args(source)[0]) if get_args(source) else core_schema.any_schema()
        plain = core_schema.dict_schema(core_schema.str_schema(), values)
        dump = core_schema.plain_serializer_function_ser_schema(cls.plain, return_schema=plain)
        return core_schema.no_info_after_validator_function(cls, plain, serialization=dump)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return FrozenMapping(value)
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"a recipe cannot hold {type(value).__name__}: {value!r}")


def _thawed(value: Any) -> Any:
    if isinstance(value, FrozenMapping):
        return value.plain()
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
