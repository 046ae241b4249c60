"""What a category is: a label, its materials, and a generator that turns random draws into a shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from opendlign_core.ingestion.procedural.solid import Solid
from opendlign_core.ingestion.procedural.words import PartWord

T = TypeVar("T")


class Draw:
    """The random choices of one object."""

    __slots__ = ("rng",)

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.rng.random())

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.rng.random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.random() * len(options))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)


@dataclass(frozen=True, slots=True)
class Shape:
    """One built object and the words its caption may use for it."""

    solid: Solid
    form: str = ""
    """An adjective that comes first: "tall", "round"."""
    detail: str = ""
    """What it comes with, to follow "with": "four legs"."""
    kind: str = ""
    """A word that belongs to the label: "grand" (piano), "double" (bed)."""


@dataclass(frozen=True, slots=True)
class Category:
    label: str
    materials: tuple[str, ...]
    """Adjectives: "wooden", "metal"."""
    build: Callable[[Draw], Shape]
    parts: tuple[PartWord, ...]
    """What its objects are made of, in the order of their part numbers; one object may lack some."""
