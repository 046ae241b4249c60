"""Identity of a stage output: a digest of everything that changes its bytes, and of nothing else."""

import enum
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

FINGERPRINT_LENGTH = 20


def canonical(value: Any) -> Any:
    """Reduce `value` to plain JSON with one spelling per meaning; raises `TypeError` on a type it does not know."""
    if isinstance(value, BaseModel):
        return canonical({name: getattr(value, name) for name in type(value).model_fields})
    if isinstance(value, enum.Enum):
        return canonical(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no place in a recipe")
        return value
    if isinstance(value, Mapping):
        return _canonical_mapping(value)
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((canonical(item) for item in value), key=json.dumps)
    raise TypeError(f"a recipe cannot hold {type(value).__name__}: {value!r}")


def _canonical_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"a recipe's mapping needs text keys, not {key!r}")
    return {key: canonical(value[key]) for key in sorted(value)}


def digest(value: Any) -> str:
    """Hex digest of the canonical form of `value`."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


class StageIdentity(BaseModel):
    """What a stage output is: name, version of the code, recipe and the fingerprints it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    version: int
    recipe: dict[str, Any]
    upstream: dict[str, str] = {}

    @classmethod
    def of(
        cls, stage: str, version: int, recipe: BaseModel, upstream: Mapping[str, str] | None = None
    ) -> "StageIdentity":
        return cls(stage=stage, version=version, recipe=canonical(recipe), upstream=dict(upstream or {}))

    @property
    def fingerprint(self) -> str:
        return digest(self)

    @property
    def folder(self) -> str:
        return f"{self.stage}/{self.fingerprint}"
