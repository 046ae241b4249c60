"""Where each point of an object falls in its depth maps, and which maps show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples.encoding import encode_array
from opendlign_core.samples.sample import Fields, WrongSample, read_array

Lookup = Literal["corrected", "faithful"]
"""Which pixel tells whether a point is seen: its own or, as in the reference, the one across the diagonal."""

LOOKUPS: tuple[Lookup, ...] = get_args(Lookup)
_SEEN = "seen-{}.npy"


@dataclass(frozen=True, eq=False)
class Places:
    """Pixels of all points of one object in all its maps; rows grow downwards.

    >>> at = np.zeros((10, 300), np.uint8)
    >>> places = Places(at, at, {"corrected": np.ones((10, 300), bool)})
    >>> sorted(places.fields())
    ['column.npy', 'row.npy', 'seen-corrected.npy']
    """

    row: NDArray[np.unsignedinteger]  # [V, N]
    column: NDArray[np.unsignedinteger]  # [V, N]
    seen: Mapping[Lookup, NDArray[np.bool_]]
    """[V, N] by how a point was looked up."""

    @classmethod
    def of(
        cls, row: NDArray[np.integer], column: NDArray[np.integer], seen: Mapping[Lookup, NDArray[np.bool_]]
    ) -> Self:
        """Pixels of any integer type, as small as they fit."""
        kind = np.uint8 if max(row.max(initial=0), column.max(initial=0)) < 256 else np.uint16
        return cls(row.astype(kind), column.astype(kind), dict(seen))

    @classmethod
    def read(cls, key: str, fields: Fields) -> Self | None:
        """The places among the fields of a sample; None where it has none."""
        if "row.npy" not in fields:
            return None
        row, column = (read_array(key, fields, f"{name}.npy") for name in ("row", "column"))
        packed = {name: read_array(key, fields, _SEEN.format(name)) for name in _lookups(fields)}
        expected = (len(row), -(-row.shape[-1] // 8))
        if row.shape != column.shape or any(bits.shape != expected for bits in packed.values()):
            raise WrongSample(f"{key}: rows, columns and visibility are not of one number of views and points")
        seen = {name: np.unpackbits(bits, axis=-1, count=row.shape[1]).astype(bool) for name, bits in packed.items()}
        return cls(row, column, seen)

    def fields(self) -> dict[str, bytes]:
        """Extension -> bytes; visibility is packed, eight points to a byte."""
        packed = {_SEEN.format(name): np.packbits(seen, axis=-1) for name, seen in self.seen.items()}
        return {
            name: encode_array(array)
            for name, array in {"row.npy": self.row, "column.npy": self.column, **packed}.items()
        }


def _lookups(fields: Fields) -> list[Lookup]:
    return [name for name in LOOKUPS if _SEEN.format(name) in fields]
