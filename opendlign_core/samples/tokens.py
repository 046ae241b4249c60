"""What the frozen tower says about an object: the first half of training, kept."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from opendlign_core.samples.encoding import encode_array
from opendlign_core.samples.meta import Meta
from opendlign_core.samples.sample import Fields, TypedSample, read_array, read_meta


@dataclass(frozen=True, eq=False)
class TokenEntry(TypedSample[Meta]):
    """One object's entry of the token cache."""

    tokens: NDArray[Any]  # [V, L, D]; bfloat16 as its uint16 bit pattern, which NumPy can hold
    rows: NDArray[np.float32]  # [V, 2, D]
    target: NDArray[np.float32]  # [E]

    @classmethod
    def read(cls, key: str, fields: Fields) -> Self:
        arrays = (read_array(key, fields, f"{name}.npy") for name in ("tokens", "rows", "target"))
        return cls(read_meta(key, fields, Meta), *arrays)

    def _fields(self) -> dict[str, bytes]:
        arrays = {"tokens": self.tokens, "rows": self.rows, "target": self.target}
        return {f"{name}.npy": encode_array(array) for name, array in arrays.items()}
