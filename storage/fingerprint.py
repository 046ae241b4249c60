"""Identity of a stage output: a digest of everything that changes its bytes, and of nothing else."""

import enum
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

FINGERPRINT_LENGTH = 20

# Whole floats up to here are written as integers: beyond, neighbouring floats are further apart than one.
_LARGEST_EXACT = 2**53


def canonical(value: Any) -> Any:
    """Reduce `value` to plain JSON with one spelling per meaning; raises `TypeError` on a type it does not know.

    `1` and `1.0` are one meaning, because a recipe must not change its identity on the way through YAML or JSON;
    `True` is another.

    A model's field declared with `json_schema_extra={"added": True}` is left out while it has its default, so that a
    recipe can grow without changing the identity of what was made before the field existed:

        >>> class Blur(BaseModel):
        ...     radius: int = 1
        ...     angle: int = Field(default=0, json_schema_extra={"added": True})
        >>> canonical(Blur()), canonical(Blur(angle=30))
        ({'radius': 1}, {'angle': 30, 'radius': 1})
    """
    if isinstance(value, BaseModel):
        return _canonical_model(value)
    if isinstance(value, enum.Enum):
        return canonical(value.value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return _canonical_float(value)
    if isinstance(value, Mapping):
        return _canonical_mapping(value)
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((canonical(item) for item in value), key=json.dumps)
    raise TypeError(f"a recipe cannot hold {type(value).__name__}: {value!r}")


def _canonical_model(value: BaseModel) -> dict[str, Any]:
    if value.model_extra:
        raise TypeError(f"{type(value).__name__} holds undeclared fields {sorted(value.model_extra)}")
    fields = type(value).model_fields.items()
    return _canonical_mapping(
        {name: getattr(value, name) for name, declared in fields if not _is_unused(declared, getattr(value, name))}
    )


def _is_unused(declared: FieldInfo, value: Any) -> bool:
    """Whether a field that came later says nothing new."""
    extra = declared.json_schema_extra
    if not isinstance(extra, dict) or not extra.get("added"):
        return False
    return _spelled(value) == _spelled(declared.get_default(call_default_factory=True))


def _canonical_float(value: float) -> int | float:
    if not math.isfinite(value):
        raise TypeError(f"{value} has no place in a recipe")
    return int(value) if value.is_integer() and abs(value) <= _LARGEST_EXACT else float(value)


def _canonical_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"a recipe's mapping needs text keys, not {key!r}")
    return {canonical(key): canonical(value[key]) for key in sorted(value)}


def digest(value: Any) -> str:
    """Hex digest of the canonical form of `value`."""
    return hashlib.sha256(_spelled(value)).hexdigest()[:FINGERPRINT_LENGTH]


def digest_items(items: Iterable[Any]) -> str:
    """The digest of the list of these items, one in memory at a time."""
    found = hashlib.sha256(b"[")
    for place, item in enumerate(items):
        found.update(b"," + _spelled(item) if place else _spelled(item))
    found.update(b"]")
    return found.hexdigest()[:FINGERPRINT_LENGTH]


def _spelled(value: Any) -> bytes:
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class StageIdentity(BaseModel):
    """What a stage output is: name, version of the code, recipe and the fingerprints it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str = Field(pattern=r"^[a-z][a-z-]*$")
    version: int
    recipe: dict[str, Any]
    upstream: dict[str, str] = {}

    @classmethod
    def of(
        cls, stage: str, version: int, recipe: BaseModel, upstream: Mapping[str, str] | None = None
    ) -> "StageIdentity":
        return cls(stage=stage, version=version, recipe=canonical(recipe), upstream=dict(upstream or {}))

    @cached_property
    def fingerprint(self) -> str:
        return digest(self)

    @property
    def folder(self) -> str:
        return f"{self.stage}/{self.fingerprint}"

    def to_bytes(self) -> bytes:
        return (json.dumps(canonical(self), indent=1, ensure_ascii=False) + "\n").encode()
