"""What a stage is: all that plans, runs, queues, forms, the console and the UI know of a verb, said once.

A new stage is a subclass of `ShardedStage` or `WholeStage` in a module of its own, and its name in
`tasks.registry.STAGES`; nothing else knows stages by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from opendlign_core.recipe import Execution, Recipe
from storage.collect import Beside
from storage.fingerprint import StageIdentity
from storage.output import ShardRange, StageOutput
from storage.records import Manifest, ShardRecord
from storage.store import Store
from tasks.digests import digest_of
from tasks.ports import Companion, Inputs, Origin, Port, Refs
from tasks.progress import StageProgress
from tasks.requirements import Requirement
from tasks.shards import ShardBuilder, follow_shards
from tasks.showcase import Showcase

R = TypeVar("R", bound=Recipe)
X = TypeVar("X", bound=Execution)


@dataclass(frozen=True)
class Need(Generic[R]):
    """An output that a stage makes for itself before it builds; `label` tells those of one stage apart."""

    stage: "ShardedStage[R, Any]"
    recipe: R
    inputs: Inputs
    label: str


@dataclass(frozen=True)
class Job(Generic[R, X]):
    """One stage at work: what it reads, what it makes, and whom it tells how far it is."""

    output: StageOutput
    recipe: R
    execution: X
    inputs: Inputs
    progress: StageProgress
    opened: Any = None
    """What `Stage.opened` gave for the time of the run."""

    @property
    def store(self) -> Store:
        return self.output.store

    @property
    def read(self) -> list[Manifest]:
        """Every output that it is made from."""
        return [given.manifest for inputs in self.inputs.values() for given in inputs]

    def manifest(self, port: str, label: str | None = None) -> Manifest:
        """The one output of a port."""
        found = self.optional(port, label)
        if found is None:
            raise LookupError(f"{self.output.identity.stage} has nothing in its input {port!r}")
        return found

    def optional(self, port: str, label: str | None = None) -> Manifest | None:
        named = (given for given in self.inputs.get(port, ()) if label in (None, given.label))
        return next((given.manifest for given in named), None)


class Views(NamedTuple):
    """The depth maps of an object: how many, and the side of each."""

    number: int
    size: int

    @property
    def packed_bytes(self) -> int:
        """Maps pack to less than a byte a pixel."""
        return self.number * self.size**2 * 8 // 10


class Stage(ABC, Generic[R, X]):
    """A verb of the pipeline: a pure function of its recipe and of what its ports read."""

    name: ClassVar[str]
    version: ClassVar[int]
    recipe: type[R]
    execution: type[X]
    noun: ClassVar[str] = ""
    """What people call it beside its verb, such as `training`."""
    about: ClassVar[str]
    """One sentence: the help of the console's verb and the description of the deployment."""
    example: ClassVar[str] = "folder:~/meshes"
    """A source as one types it after the console's verb."""
    reads: ClassVar[tuple[Port, ...]] = ()
    pool: ClassVar[Literal["cpu", "gpu"]] = "cpu"
    shared: ClassVar[bool] = False
    """Whether several workers may each take a part of its shards."""
    per_source: ClassVar[bool] = False
    """Whether a preset runs it for each of its sources, or for the one that is trained on alone."""
    shows: ClassVar[tuple[str, ...]] = ()
    """Names of what it publishes in the UI, beside its progress."""
    beside: ClassVar[tuple[Beside, ...]] = ()
    """What it keeps in the store beside its outputs, and for how long `gc` spares it."""
    unit: ClassVar[str] = "objects"

    def spell_out(self, given: Mapping[str, Any], preset: Mapping[str, Any]) -> Mapping[str, Any]:
        """The recipe behind the short form that a preset may give; `preset` is the whole mapping."""
        return given

    def label(self, given: Mapping[str, Any]) -> str:
        """The kind of the outputs of a recipe in short form, where others may read several kinds."""
        return ""

    def usual(self, given: Mapping[str, Any]) -> Collection[str]:
        """Stages that a recipe in short form takes with their defaults, though others could do without them."""
        return ()

    def companions(self, recipe: R) -> Sequence[Companion]:
        return ()

    def fingerprinted(self, recipe: R) -> R:
        """The part of the recipe that the output depends on; no place of this machine is part of it."""
        return recipe.settled(digest_of)

    def identify(self, recipe: R, refs: Refs, origin: Origin | None = None) -> StageIdentity:
        """What the output is; known before anything has run."""
        upstream = {} if origin is None else {"source": origin.digest}
        for port in self.reads:
            upstream |= port.upstream(refs.get(port.name, ()))
        return StageIdentity.of(self.name, self.version, self.fingerprinted(recipe), upstream)

    def misfit(self, recipe: R, made_from: Mapping[str, Sequence[Recipe]]) -> str:
        """Why it can make nothing of outputs of these recipes, by port, with a remedy; else empty."""
        return ""

    def lacks(self, recipe: R, there: Collection[tuple[str, str]]) -> str:
        """Why it cannot be made from sources that hold objects of these (source, split), with a remedy; else empty."""
        return ""

    def requires(self, recipe: R, execution: X) -> Iterable[Requirement]:
        """What it needs of the machine that it runs on: weights, a device."""
        return ()

    def bytes_each(self, recipe: R, views: Views) -> int:
        """About how many bytes of an object with these depth maps it writes, where that is worth counting."""
        return 0

    @contextmanager
    def opened(self, recipe: R, origin: Any = None) -> Iterator[Any]:
        """What stays open for the time of a run; an `Origin` has a digest, and may be one that was listed before."""
        yield origin

    def listed(self, recipe: R) -> Any:
        """The `Origin` of a stage that reads no other stage."""
        return None

    def changed_since(self, store: Store, recipe: R, manifest: Manifest) -> Sequence[str]:
        """What a finished output was made from that is in no store and holds other bytes now.

        Only as far as this can be told quickly, and only what its fingerprint does not tell already.
        """
        return ()

    def accept(self, store: Store, manifest: Manifest, execution: X, series: str) -> None:
        """Refuse a finished output that is not good enough, by raising; it stays in the store.

        Outputs of one `series` are compared with each other.
        """

    @abstractmethod
    def show(self, store: Store, manifest: Manifest, ui: Showcase) -> None:
        """Publish what people look at once the output is finished."""


class ShardedStage(Stage[R, X]):
    """A stage whose output is shards, each built on its own."""

    in_flight: ClassVar[int] = 1
    """Shards in the making at once; of two, one computes while the other is brought to the store."""
    one_to_many: ClassVar[bool] = False
    """Whether an input becomes several samples; the share of rejected ones is then one of the inputs."""

    def shards(self, recipe: R, inputs: Inputs, origin: Any) -> Sequence[ShardRange]:
        """The shards to make; by default one for each shard of the first port's output."""
        return follow_shards(inputs[self.reads[0].name][0].manifest)

    def inputs_in(self, shards: Sequence[ShardRange]) -> int | None:
        """How many inputs make up these shards, where samples do not tell."""
        return sum(shard.stop - shard.start for shard in shards) if self.one_to_many else None

    @contextmanager
    def ready(self, job: Job[R, X]) -> Iterator[Any]:
        """What the shards of one unit of work share: an open reader, a loaded model."""
        yield None

    @abstractmethod
    def build(self, job: Job[R, X], ready: Any, shard: ShardRange, builder: ShardBuilder) -> None:
        """Add the samples of a shard to `builder`, reject those that cannot be made, and advance `job.progress`."""

    def announce(self, job: Job[R, X], ahead: Sequence[ShardRange], ui: Showcase) -> None:
        """Say what these shards will cost, before the first of them is built."""

    def files(self, job: Job[R, X], records: Sequence[ShardRecord], folder: Path) -> Mapping[str, Path]:
        """Files of the finished output beside its shards, written into `folder`."""
        return {}


@dataclass(frozen=True)
class Whole:
    """The outcome of a stage that is built in one piece: its files by role, and how many samples went into it."""

    files: Mapping[str, Path]
    samples: int
    summary: Mapping[str, Any] = field(default_factory=dict)


class WholeStage(Stage[R, X]):
    """A stage whose output is made in one piece."""

    def needs(self, recipe: R, inputs: Inputs) -> Sequence[Need[Any]]:
        """Outputs that it makes first, on the same machine; `build` finds them as inputs named by stage and label."""
        return ()

    @abstractmethod
    def build(self, job: Job[R, X], folder: Path) -> Whole:
        """Write the files of the output into `folder`."""

    def committed(self, job: Job[R, X]) -> None:
        """Clear away what only an unfinished output needs."""


AnyStage = ShardedStage[Any, Any] | WholeStage[Any, Any]
