"""What stages read and make for each other: ports, and the outputs that stand at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from opendlign_core.errors import BadInput
from opendlign_core.recipe import Recipe
from storage.records import Manifest


class Ref(NamedTuple):
    """An output that a stage reads; where a port takes several kinds of it, `label` says which kind this is."""

    fingerprint: str
    label: str = ""
    stage: str = ""
    """The stage that made it; empty for the one that its port names first."""


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
    also: tuple[str, ...] = ()
    """Further stages whose outputs serve as well; they go by `stage/fingerprint` where people name them."""

    @property
    def stages(self) -> tuple[str, ...]:
        return (self.stage, *self.also)

    def maker(self, ref: Ref) -> str:
        """The stage that made what a reference stands for; raises `BadInput` for one that the port does not take."""
        if ref.stage and ref.stage not in self.stages:
            raise BadInput(
                f"{self.name} takes outputs of {' or '.join(self.stages)}, not {ref.stage}/{ref.fingerprint}"
            )
        return ref.stage or self.stage

    def upstream(self, refs: Sequence[Ref]) -> dict[str, str]:
        """What a fingerprint says of them: the stage's name, numbered, with the label of all but the first kind."""
        named: dict[str, str] = {}
        for kind, label in enumerate(dict.fromkeys(ref.label for ref in refs)):
            for index, ref in enumerate(ref for ref in refs if ref.label == label):
                name = f"{self.maker(ref)}:{label}" if kind else self.maker(ref)
                named[f"{name}-{index}" if index else name] = ref.fingerprint
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
