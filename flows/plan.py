"""What a preset would do in a store, told before anything runs: what is done, missing or of another recipe."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flows.graph import Graph, Node
from flows.sources import ListedSource, require_listings
from storage.fingerprint import StageIdentity
from storage.inputs import changed_inputs
from storage.inventory import outputs
from storage.output import MANIFEST, StageOutput, find_manifest, load_manifest
from storage.records import Manifest
from storage.store import Store
from tasks.ports import Input, Inputs, Ref, Refs
from tasks.shards import StagePlan
from tasks.stage import ShardedStage

State = Literal["done", "partial", "missing", "stale"]


@dataclass(frozen=True)
class NodeStatus:
    """One output of a preset in a store.

    `stale` means that the stage was built before with other settings: `changes` says which, field by field.
    """

    node: Node
    identity: StageIdentity
    state: State
    shards_done: int
    shards: int | None
    """Planned shards; None while an earlier stage must run before anyone can tell."""
    changes: tuple[str, ...] = ()
    other_bytes: tuple[str, ...] = ()
    """Outputs that held other bytes when this one, which is done, was made from them."""

    @property
    def title(self) -> str:
        return self.node.name

    @property
    def stage(self) -> str:
        return self.node.stage.name

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of it beside its state."""
        return (*self.changes, *(f"made from other bytes of {folder}" for folder in self.other_bytes))

    @property
    def folder(self) -> str:
        return self.identity.folder

    @property
    def ref(self) -> Ref:
        return Ref(self.identity.fingerprint, self.node.label, self.stage)


@dataclass(frozen=True)
class UnknownNode:
    """An output that nobody can tell anything of, because it reads sources that are absent."""

    node: Node
    absent: tuple[str, ...]
    """Names of those sources."""

    @property
    def title(self) -> str:
        return self.node.name

    @property
    def stage(self) -> str:
        return self.node.stage.name


Planned = NodeStatus | UnknownNode


def plan_graph(store: Store, graph: Graph, sources: Mapping[str, ListedSource]) -> list[NodeStatus]:
    """The status of every node, in the order they run.

    Raises:
        SourceAbsent: when a source of the graph is not there.
    """
    require_listings([sources[node.name] for node in graph.nodes if node.name in sources])
    return [found for found in survey_graph(store, graph, sources) if isinstance(found, NodeStatus)]


def survey_graph(store: Store, graph: Graph, sources: Mapping[str, ListedSource]) -> list[Planned]:
    """Like `plan_graph`, for any machine: what reads an absent source is listed as unknown."""
    survey = _Survey(store, sources)
    return list(graph.walk(survey.visit).values())


def identify_graph(graph: Graph, sources: Mapping[str, ListedSource]) -> dict[str, StageIdentity]:
    """What the outputs of a graph are called; known from recipes and listings alone, without a store."""

    def visit(node: Node, inputs: Mapping[str, Sequence[tuple[Ref, StageIdentity]]]) -> tuple[Ref, StageIdentity]:
        refs = {port: [ref for ref, _ in found] for port, found in inputs.items()}
        identity = node.stage.identify(node.recipe, refs, _origin(node, sources))
        return Ref(identity.fingerprint, node.label, node.stage.name), identity

    return {name: identity for name, (_, identity) in graph.walk(visit).items()}


class _Survey:
    """One look at a store, in which every manifest is read once."""

    def __init__(self, store: Store, sources: Mapping[str, ListedSource]) -> None:
        self._store, self._sources = store, sources
        self._manifests: dict[tuple[str, str], Manifest | None] = {}
        self._history = self._earlier()

    def visit(self, node: Node, inputs: Mapping[str, Sequence[Planned]]) -> Planned:
        if absent := self._absent(node, inputs):
            return UnknownNode(node, absent)
        if node.output:
            return self._given(node)
        read = {port: [found for found in known if isinstance(found, NodeStatus)] for port, known in inputs.items()}
        refs = {port: [status.ref for status in known] for port, known in read.items()}
        identity = node.stage.identify(node.recipe, refs, _origin(node, self._sources))
        if (manifest := self.manifest(node.stage.name, identity.fingerprint)) is not None:
            shards = len(manifest.shards) or 1
            changed = changed_inputs(self._store, manifest, self._read())
            outside = node.stage.changed_since(self._store, node.recipe, manifest)
            return NodeStatus(node, identity, "done", shards, shards, other_bytes=(*changed, *outside))
        return self._unfinished(node, identity, refs)

    def manifest(self, stage: str, fingerprint: str) -> Manifest | None:
        key = stage, fingerprint
        if key not in self._manifests:
            self._manifests[key] = find_manifest(self._store, stage, fingerprint)
        return self._manifests[key]

    def _read(self) -> dict[str, Manifest]:
        return {manifest.folder: manifest for manifest in self._manifests.values() if manifest is not None}

    def _absent(self, node: Node, inputs: Mapping[str, Sequence[Planned]]) -> tuple[str, ...]:
        source = self._sources.get(node.name)
        own = (source.name,) if source is not None and source.listing is None else ()
        read = (found for known in inputs.values() for found in known)
        upstream = (name for found in read if isinstance(found, UnknownNode) for name in found.absent)
        return tuple(dict.fromkeys((*own, *upstream)))

    def _given(self, node: Node) -> NodeStatus:
        """An output that is named by its fingerprint must be there."""
        manifest = load_given(self._store, node)
        identity = StageIdentity(
            stage=manifest.stage, version=manifest.version, recipe=manifest.recipe, upstream=manifest.upstream
        )
        shards = len(manifest.shards) or 1
        return NodeStatus(node, identity, "done", shards, shards)

    def _unfinished(self, node: Node, identity: StageIdentity, refs: Refs) -> NodeStatus:
        shards: int | None = None
        inputs = self._inputs(node, refs)
        if isinstance(node.stage, ShardedStage) and inputs is not None:
            listed = node.stage.shards(node.recipe, inputs, _origin(node, self._sources))
            planned = StagePlan.look(StageOutput(self._store, identity), listed)
            shards, missing = len(planned.shards), len(planned.missing)
            if missing < shards:
                return NodeStatus(node, identity, "partial", shards - missing, shards)
        history = self._history.get(node.stage.name, [])
        differences = [tuple(differing_fields(_described(other), _described(identity))) for other in history]
        if not differences:
            return NodeStatus(node, identity, "missing", 0, shards)
        return NodeStatus(node, identity, "stale", 0, shards, min(differences, key=len))

    def _inputs(self, node: Node, refs: Refs) -> Inputs | None:
        """What the node reads, if all of it is finished."""
        found: dict[str, list[Input]] = {}
        for port in node.stage.reads:
            for ref in refs.get(port.name, ()):
                manifest = self.manifest(port.maker(ref), ref.fingerprint)
                if manifest is None:
                    return None
                found.setdefault(port.name, []).append(Input(manifest, ref.label))
        return found

    def _earlier(self) -> dict[str, list[Manifest]]:
        """The finished outputs of every stage, whatever recipe made them."""
        found: dict[str, list[Manifest]] = {}
        for output in outputs(self._store):
            if MANIFEST in output.objects and (manifest := self.manifest(output.stage, output.fingerprint)):
                found.setdefault(output.stage, []).append(manifest)
        return found


def _described(thing: Manifest | StageIdentity) -> dict[str, Any]:
    return {"version": thing.version, "recipe": thing.recipe, "upstream": thing.upstream}


def differing_fields(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Lines such as `recipe.epochs: 10 -> 5` for every leaf that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differing_fields(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _origin(node: Node, sources: Mapping[str, ListedSource]) -> Any:
    source = sources.get(node.name)
    return None if source is None else source.listing


def load_given(store: Store, node: Node) -> Manifest:
    """The finished output that a node stands for; raises `MissingOutput` where the store does not hold it."""
    return load_manifest(store, node.stage.name, node.output)
