"""What stages read and make for each other: ports, and the outputs that stand at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from opendlign_core.recipe import Recipe
from storage.records import Manifest


class Ref(NamedTuple):
    """An output that a stage reads; where a port takes several kinds of it, `label` says which kind this is."""

    fingerprint: str
    label: str = ""


Refs = Mapping[str, Sequence[Ref]]
"""What a stage reads, by port."""


@dataclass(frozen=True)
class Port:
    """A kind of outputs that a stage reads."""

    name: str
    """Of the parameter in the stage's form, and of the input in a graph."""
    stage: str
    """The stage that makes them."""
    about: str
    many: bool = False
    optional: bool = False
    labelled: bool = False
    """Several outputs of one stage, told apart by a label: depth maps by the name of their projection."""

    def upstream(self, refs: Sequence[Ref]) -> dict[str, str]:
        """What a fingerprint says of them: the stage's name, numbered, with the label of all but the first kind."""
        named: dict[str, str] = {}
        for kind, label in enumerate(dict.fromkeys(ref.label for ref in refs)):
            name = f"{self.stage}:{label}" if kind else self.stage
            same = [ref.fingerprint for ref in refs if ref.label == label]
            named |= {f"{name}-{index}" if index else name: fingerprint for index, fingerprint in enumerate(same)}
        return named


class Input(NamedTuple):
    """A finished output that a stage reads."""

    manifest: Manifest
    label: str = ""


Inputs = Mapping[str, Sequence[Input]]


class Origin(Protocol):
    """What a stage reads that is in no store: listed once, known by a digest."""

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True)
class Companion:
    """An output that a recipe asks for beside those of the short form of a preset.

    It is made by `stage` from `recipe`, for the sources of these names (for every source where there are none).
    """

    stage: str
    label: str
    recipe: Recipe
    sources: frozenset[str]
