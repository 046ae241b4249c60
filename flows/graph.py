"""A preset as a graph of stages, and the one walk over it that plans and runs share. Free of Prefect and torch."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

from flows.fields import group, validated
from opendlign_core.errors import BadInput
from opendlign_core.recipe import Recipe
from tasks.ports import Companion
from tasks.registry import STAGES, stage_named
from tasks.stage import AnyStage

T = TypeVar("T")

NODE_FIELDS = frozenset({"stage", "recipe", "inputs", "label", "output"})


@dataclass(frozen=True)
class Node:
    """One output of a run: a stage, its recipe, and the nodes it reads, by port.

    A node with an `output` stands for a finished one of that fingerprint: nothing is planned or run for it.
    """

    name: str
    stage: AnyStage
    recipe: Any = None
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label: str = ""
    """The kind of its outputs, where a port that reads it takes several kinds."""
    output: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(name for names in self.inputs.values() for name in names)


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which each comes after those that it reads."""

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        """Refuse unknown inputs, and inputs of another stage than the port takes."""
        known: dict[str, Node] = {}
        for node in self.nodes:
            if node.name in known:
                raise BadInput(f"two nodes are called {node.name!r}")
            if not node.output:
                _check_inputs(node, known)
                _check_recipe(node, known)
            known[node.name] = node

    def of(self, stage: AnyStage | str) -> tuple[Node, ...]:
        """The nodes of a stage."""
        name = stage if isinstance(stage, str) else stage.name
        return tuple(node for node in self.nodes if node.stage.name == name)

    def first(self, stage: AnyStage | str) -> Node:
        """The first node of a stage, that of the source that is trained on; raises `BadInput` where there is none."""
        found = self.of(stage)
        if not found:
            name = stage if isinstance(stage, str) else stage.name
            raise BadInput(f"the preset has no stage {name}; its stages are {', '.join(self.stages)}")
        return found[0]

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages that have a node."""
        return tuple(dict.fromkeys(node.stage.name for node in self.nodes))

    def until(self, stage: AnyStage | str) -> "Graph":
        """The nodes of a stage and all that they are made from."""
        return self.leading_to(*(self.of(stage) or (self.first(stage),)))

    def leading_to(self, *nodes: Node) -> "Graph":
        """These nodes and all that they are made from."""
        wanted = {node.name for node in nodes}
        for node in reversed(self.nodes):
            if node.name in wanted:
                wanted |= set(node.reads)
        return Graph(tuple(node for node in self.nodes if node.name in wanted))

    def walk(self, visit: Callable[[Node, Mapping[str, tuple[T, ...]]], T]) -> dict[str, T]:
        """Visit every node with what visiting its inputs returned, by port; returns what each visit returned."""
        found: dict[str, T] = {}
        for node in self.nodes:
            inputs = {port: tuple(found[name] for name in names) for port, names in node.inputs.items()}
            found[node.name] = visit(node, inputs)
        return found

    def by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}


def default_graph(
    recipes: Mapping[str, Recipe],
    sources: Mapping[str, Recipe],
    labels: Mapping[str, str],
    given: Mapping[str, str] | None = None,
) -> Graph:
    """The graph behind the short form of a preset.

    Stages without ports, and those that are run for every source, get a node for each of `sources` (by name, the one
    that is trained on first); any other stage gets one, whose ports take the nodes before it.

    Args:
        recipes: recipe of each stage by name; those that read no other stage are in `sources` instead.
        sources: recipes of the first stage by name of the source.
        labels: kind of the outputs of each stage, where it has one.
        given: fingerprints that stand for the output of a stage.
    """
    nodes: list[Node] = []
    asked = [companion for stage in STAGES if stage.name in recipes for companion in _asked(stage, recipes)]
    for stage in STAGES:
        if given and stage.name in given:
            nodes.append(Node(stage.name, stage, output=given[stage.name]))
        elif not stage.reads:
            nodes += [Node(f"{stage.name} {name}", stage, recipe) for name, recipe in sources.items()]
        elif stage.name in recipes:
            label = labels.get(stage.name, "")
            nodes += _of_stage(stage, recipes[stage.name], label, nodes)
            nodes += _of_companions(stage, asked, label, nodes)
    return Graph(tuple(nodes))


def extended(graph: Graph, given: Mapping[str, Mapping[str, Any]]) -> Graph:
    """The graph with the nodes that a preset spells out: stage, recipe, inputs by port, and perhaps a label."""
    added = {str(name): _spelled_out(str(name), fields) for name, fields in group("nodes", given).items()}
    try:
        order = TopologicalSorter({name: node.reads for name, node in added.items()}).static_order()
        return Graph((*graph.nodes, *(added[name] for name in order if name in added)))
    except CycleError as error:
        raise BadInput(f"nodes read each other in a circle: {', '.join(error.args[1])}") from error


def _spelled_out(name: str, given: Any) -> Node:
    fields = group(f"nodes.{name}", given)
    if unknown := fields.keys() - NODE_FIELDS:
        raise BadInput(f"nodes.{name}.{min(unknown)}: unknown; a node has {', '.join(sorted(NODE_FIELDS))}")
    stage = stage_named(str(fields.get("stage", "")))
    spelled = group(f"nodes.{name}.recipe", fields.get("recipe") or {})
    at, given_output = f"nodes.{name}.recipe", str(fields.get("output") or "")
    recipe = None if given_output else validated(at, stage.recipe, stage.spell_out(spelled, {}))
    read = group(f"nodes.{name}.inputs", fields.get("inputs") or {})
    inputs = {port: (names,) if isinstance(names, str) else tuple(names) for port, names in read.items()}
    label = str(fields.get("label") or stage.label(spelled))
    return Node(name, stage, recipe, inputs, label, given_output)


def _check_inputs(node: Node, known: Mapping[str, Node]) -> None:
    ports = {port.name: port for port in node.stage.reads}
    if unknown := node.inputs.keys() - ports.keys():
        read = ", ".join(ports) or "nothing"
        raise BadInput(f"{node.name}: no input {min(unknown)!r}; {node.stage.name} reads {read}")
    for port in ports.values():
        names = node.inputs.get(port.name, ())
        if not names and not port.optional:
            raise BadInput(f"{node.name} needs an input {port.name}: a node of the stage {' or '.join(port.stages)}")
        if len(names) > 1 and not port.many:
            raise BadInput(f"{node.name}: {port.name} takes one node, not {', '.join(names)}")
        for name in names:
            if name not in known or known[name].stage.name not in port.stages:
                taken = " or ".join(port.stages)
                raise BadInput(f"{node.name}: {port.name} takes a node of {taken} that is there, not {name!r}")


def _check_recipe(node: Node, known: Mapping[str, Node]) -> None:
    """Refuse what a stage could only find out after those before it have worked."""
    given = {port: [known[name].recipe for name in names if known[name].recipe] for port, names in node.inputs.items()}
    if misfit := node.stage.misfit(node.recipe, given):
        raise BadInput(f"{node.name}: {misfit}")


def _asked(stage: AnyStage, recipes: Mapping[str, Recipe]) -> Sequence[Companion]:
    return stage.companions(recipes[stage.name])


def _of_stage(stage: AnyStage, recipe: Recipe, label: str, before: Sequence[Node]) -> Iterator[Node]:
    if not stage.per_source:
        yield Node(stage.name, stage, recipe, _wired(stage, before), label)
        return
    (port,) = stage.reads
    for upstream in _taken(stage, recipe, before):
        yield Node(f"{stage.name} {_source_of(upstream)}", stage, recipe, {port.name: (upstream.name,)}, label)


def _taken(stage: AnyStage, recipe: Recipe, before: Sequence[Node]) -> Sequence[Node]:
    """The nodes that a stage of one port is run for, in the order of their sources.

    Of sources of several kinds it takes those that it can make something of; where there are none, it takes all, to
    be refused by its own sentence.
    """
    (port,) = stage.reads
    offered = [node for node in before if node.stage.name in port.stages]
    fitting = [node for node in offered if not node.recipe or not stage.misfit(recipe, {port.name: [node.recipe]})]
    order = list(dict.fromkeys(_source_of(node) for node in before))
    return sorted(fitting or offered, key=lambda node: order.index(_source_of(node)))


def _of_companions(stage: AnyStage, asked: Iterable[Companion], own: str, before: Sequence[Node]) -> Iterator[Node]:
    """Nodes of the stage that others ask for, but for the kind that the preset makes anyway."""
    wanted = [companion for companion in asked if companion.stage == stage.name and companion.label != own]
    drawn = Counter[str]()
    for companion in wanted:
        (port,), drawn[companion.label] = stage.reads, drawn[companion.label] + 1
        again = f" {drawn[companion.label]}" if drawn[companion.label] > 1 else ""
        for upstream in _taken(stage, companion.recipe, before):
            if not companion.sources or _first_of(upstream, before) in companion.sources:
                name = f"{stage.name} {_source_of(upstream)} {companion.label}{again}"
                yield Node(name, stage, companion.recipe, {port.name: (upstream.name,)}, companion.label)


def _wired(stage: AnyStage, before: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    inputs: dict[str, tuple[str, ...]] = {}
    for port in stage.reads:
        found = tuple(node.name for node in before if node.stage.name in port.stages)
        if found:
            inputs[port.name] = found if port.many else found[:1]
    return inputs


def _first_of(node: Node, before: Sequence[Node]) -> str:
    """The source that a node was made from, through all that lies between."""
    named = {one.name: one for one in before}
    while node.reads:
        node = named[node.reads[0]]
    return _source_of(node)


def _source_of(node: Node) -> str:
    return node.name.removeprefix(f"{node.stage.name} ")
