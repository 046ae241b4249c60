"""Which tests reach which line, traced once per test file and kept until the file or its room changes."""

import ast
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import coverage
import pytest

from bench.mutants.drawing import Row
from bench.mutants.rooms import Rooms
from bench.mutants.running import Told, Work, run_pytest, work_through

Trace = dict[str, Any]
"""`seconds` by test, names of those that `failed`, and `lines`: file -> line -> names of tests."""


def trace_rooms(rooms: Rooms, scratch: Path, processes: int) -> dict[str, list[Trace]]:
    """What every test file of every room reaches."""
    (scratch / "traces").mkdir(parents=True, exist_ok=True)
    kept: dict[str, list[Path]] = {room: [] for room in rooms.rooms}
    queue = []
    for room in rooms.rooms:
        sources = "".join(rooms.read(file) for file in rooms.modules(room))
        for test in rooms.tests(room):
            digest = hashlib.sha256((sources + rooms.read(test)).encode()).hexdigest()[:16]
            kept[room].append(scratch / "traces" / f"{Path(test).stem}-{digest}.json")
            if not kept[room][-1].exists():
                queue.append(_tracing(rooms, room, test, kept[room][-1]))
    work_through(rooms.root, iter(queue), scratch, processes)
    return {room: [json.loads(path.read_text()) for path in paths] for room, paths in kept.items()}


def reaching(source: str, row: Row, traces: Sequence[Trace]) -> dict[str, float]:
    """Tests that reach the row's statement, with their seconds, quickest first.

    What runs at import is reached by every test of a test file that imports it.
    """
    lines = _statement(source, row["line"])
    tests: dict[str, float] = {}
    for trace in traces:
        reached = trace["lines"].get(row["file"], {})
        names = {name for line in reached if lines and int(line) in lines for name in reached[line]}
        if lines is None and reached:
            names = set(trace["seconds"])
        tests |= {name: trace["seconds"][name] for name in names - set(trace["failed"])}
    return dict(sorted(tests.items(), key=lambda test: (test[1], test[0])))


def _tracing(rooms: Rooms, room: str, test: str, into: Path) -> Work:
    def done(told: Told) -> None:
        if "lines" not in told:
            raise RuntimeError(f"{test} does not run here; see what `pytest {test}` says")
        into.write_text(json.dumps(told))
        print(f"traced {test}: {told['took']} s, failed {told['failed']}", flush=True)

    return Work(partial(_trace_file, root=rooms.root, modules=rooms.modules(room), test=test), 900.0, done)


def _trace_file(tree: Path, into: Path, root: Path, modules: list[str], test: str) -> None:
    tracer = _Tracer(tree, modules)
    run_pytest(tree, root, [test, "--maxfail=1000"], tracer)
    into.write_text(json.dumps(tracer.trace()))


class _Tracer:
    """A pytest plugin that notes which test reaches which line, how long each takes, and which fail."""

    def __init__(self, tree: Path, modules: list[str]) -> None:
        self.tree = tree
        self.cover = coverage.Coverage(data_file=None, include=[str(tree / file) for file in modules], messages=False)
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self.cover.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.cover.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def trace(self) -> Trace:
        self.cover.stop()
        data, lines = self.cover.get_data(), {}
        for file in data.measured_files():
            reached = {line: [*filter(None, tests)] for line, tests in data.contexts_by_lineno(file).items()}
            lines[Path(file).relative_to(self.tree).as_posix()] = reached
        return {"seconds": self.seconds, "failed": self.failed, "lines": lines}


def _statement(source: str, line: int) -> range | None:
    """Lines of the innermost statement around a line of a function's body; None for code that runs at import."""
    found: range | None = None

    def visit(node: ast.AST, within: bool) -> None:
        nonlocal found
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt):
                visit(child, within)
            elif child.lineno <= line <= (child.end_lineno or 0):
                body = getattr(child, "body", None)
                head = range(child.lineno, body[0].lineno if body else (child.end_lineno or 0) + 1)
                found = (head if line in head else range(line, line + 1)) if within else None
                visit(child, within or isinstance(child, ast.FunctionDef))

    visit(ast.parse(source), False)
    return found
