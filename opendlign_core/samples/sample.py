"""What all kinds of samples have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

from numpy.typing import NDArray
from pydantic import ValidationError

from opendlign_core.errors import BadInput
from opendlign_core.samples.encoding import decode_array, encode_json
from opendlign_core.samples.keys import object_id, sample_key
from opendlign_core.samples.meta import Meta

M = TypeVar("M", bound=Meta)
M_co = TypeVar("M_co", bound=Meta, covariant=True)

Fields = Mapping[str, bytes]


class WrongSample(BadInput):
    """The bytes of a sample are not those of its kind; the message names the object and what is wrong."""


@dataclass(frozen=True)
class Rejected:
    """An object that does not go on to the next stage, and why."""

    object_id: str
    reason: str


@dataclass(frozen=True, eq=False)
class TypedSample(ABC, Generic[M_co]):
    """One object as a stage leaves it."""

    meta: M_co

    @property
    def key(self) -> str:
        """The sample's name in a shard, made of the object's id."""
        return sample_key(self.meta.object_id)

    def fields(self) -> dict[str, bytes]:
        """Extension -> bytes, as they lie in a shard."""
        return {**self._fields(), "json": encode_json(self.meta.as_dict())}

    @classmethod
    @abstractmethod
    def read(cls, key: str, fields: Fields) -> Self:
        """The sample of these fields; raises `WrongSample` where they are not those of this kind."""

    @abstractmethod
    def _fields(self) -> dict[str, bytes]: ...


@overload
def read_meta(key: str, fields: Fields) -> Meta: ...
@overload
def read_meta(key: str, fields: Fields, kind: type[M]) -> M: ...
def read_meta(key: str, fields: Fields, kind: type[Meta] = Meta) -> Meta:
    """Who a sample is, without decoding anything else of it; raises `WrongSample`."""
    try:
        meta = kind.model_validate_json(field(key, fields, "json"))
    except ValidationError as error:
        first = error.errors()[0]
        raise WrongSample(
            f"{object_id(key)}: its json is not a {kind.__name__}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error
    if sample_key(meta.object_id) != key:
        raise WrongSample(f"the sample {object_id(key)!r} holds the object {meta.object_id!r}")
    return meta


def field(key: str, fields: Fields, extension: str) -> bytes:
    """The bytes of one extension; raises `WrongSample` naming what there is instead."""
    if extension not in fields:
        raise WrongSample(f"{object_id(key)}: no {extension} among {', '.join(sorted(fields)) or 'nothing'}")
    return fields[extension]


def read_array(key: str, fields: Fields, extension: str) -> NDArray[Any]:
    """The array of one extension; raises `WrongSample`."""
    try:
        return decode_array(field(key, fields, extension))
    except ValueError as error:
        raise WrongSample(f"{object_id(key)}: {extension}: {error}") from error
