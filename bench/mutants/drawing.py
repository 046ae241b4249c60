"""Places where code can be changed, drawn by a seed, and the changed text.

A place is what cosmic-ray can change (an operator, a number, a condition, a loop, a handler, a decorator). Places are
drawn uniformly over all rooms, and each is changed in one drawn way. Annotations and the words of errors are spared.
"""

import ast
import contextlib
import itertools
import random
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import parso.python.tree  # noqa: F401  first: cosmic_ray cannot import it in its own order
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from bench.mutants.rooms import Rooms

Row = dict[str, Any]
"""One mutant: its place and change, and what became of it."""
Place = tuple[str, str, list[tuple[str, int]]]
"""Room, file, and the ways to change it: operator and occurrence."""
Span = tuple[tuple[int, int], tuple[int, int]]


def draw(rooms: Rooms, seed: int, count: int) -> list[Row]:
    """The first `count` mutants in the order that the seed gives the places of all rooms."""
    places = [place for room in rooms.rooms for file in rooms.modules(room) for place in places_in(rooms, room, file)]
    lots = random.Random(seed)
    lots.shuffle(places)
    rows = (row for place in places for row in _change(rooms, place, lots))
    return [{"number": number, **row} for number, row in enumerate(itertools.islice(rows, count))]


def places_in(rooms: Rooms, room: str, file: str) -> list[Place]:
    """Every place of a module."""
    source = rooms.read(file)
    nodes, spared = list(ast_nodes(get_ast(source))), list(_spared(ast.parse(source)))
    ways: dict[tuple[str, Any], list[tuple[str, int]]] = {}
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments():
            continue
        spans = [span for node in nodes for span in operator().mutation_positions(node)]
        for occurrence, (start, _) in enumerate(spans):
            if not any(first <= start < last for first, last in spared):
                ways.setdefault((name.split("_")[0], start), []).append((name, occurrence))
    return [(room, file, found) for _, found in sorted(ways.items())]


def mutated_text(rooms: Rooms, row: Row) -> str | None:
    """The row's file with its fault in, wherever its line lies by now (which is noted); None where it is gone."""
    lines, before = rooms.read(row["file"]).splitlines(), row["before"].split("\n")
    starts = [at for at in range(len(lines)) if lines[at : at + len(before)] == before]
    if not starts:
        return None
    start = min(starts, key=lambda at: abs(at + 1 - row["line"]))
    row["line"] = start + 1
    return "\n".join([*lines[:start], row["after"], *lines[start + len(before) :]]) + "\n"


def _spared(tree: ast.AST) -> Iterator[Span]:
    """Spans of annotations and of the sentences that errors tell."""
    for node in ast.walk(tree):
        parts = [getattr(node, field, None) for field in ("annotation", "returns")]
        if isinstance(node, ast.Raise):
            parts += [part for part in ast.walk(node) if isinstance(part, ast.JoinedStr)]
        for part in parts:
            if part is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


def _change(rooms: Rooms, place: Place, lots: random.Random) -> list[Row]:
    """The place changed in one drawn way that is Python without a warning; nothing where there is no such way."""
    room, file, ways = place
    source = rooms.read(file)
    for name, occurrence in lots.sample(ways, len(ways)):
        mutated = mutate_code(source, get_operator(name)(), occurrence)
        with contextlib.suppress(SyntaxError, SyntaxWarning), warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(mutated, file, "exec")
            return [{"room": room, "file": file, "operator": name.split("/")[1], **_difference(source, mutated)}]
    return []


def _difference(source: str, mutated: str) -> Row:
    """The number of the first line that differs, and the lines that do, before and after."""
    old, new = source.splitlines(), mutated.splitlines()
    same = _agreeing(old, new)
    tail = _agreeing(old[same:][::-1], new[same:][::-1])
    before, after = old[same : len(old) - tail], new[same : len(new) - tail]
    return {"line": same + 1, "before": "\n".join(before), "after": "\n".join(after)}


def _agreeing(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
