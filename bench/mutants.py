"""How many small faults the tests notice: mutants drawn by a seed, each run against the tests of its room that reach it.

A place is what cosmic-ray can change in the code (an operator, a number, a condition, a loop, a handler, a decorator). Places are
drawn uniformly over all rooms, and each is changed in one drawn way. Which tests reach which line is traced once; a mutant runs
those, the quickest first, until one fails. Annotations and the words of errors are left alone. A run that is stopped goes on where
it was; `--again` runs survivors once more. A survivor that no test could tell from the original is marked by hand in the results:
`outcome: equivalent`, and a `reason`.

    python -m bench.mutants [--seed 1] [--count 400] [--processes 2] [--minutes 30] [--again]
"""

import argparse
import ast
import contextlib
import hashlib
import importlib
import itertools
import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import coverage
import parso.python.tree  # noqa: F401  first: cosmic_ray cannot import it in its own order
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "mutants.json"
ENGINE = ("engine", "volume", "slicewise", "filters", "grid", "splat", "views", "points", "checks")
SOURCES = {
    "storage": ["storage/*.py"],
    "evaluation": ["opendlign_core/evaluation/*.py"],
    "loop": ["opendlign_core/loop/*.py"],
    "projection": [f"opendlign_core/projection/{name}.py" for name in ENGINE],
}
TESTS = {
    "storage": ["tests/storage"],
    "evaluation": ["tests/evaluation", "tests/golden/test_text_ensemble.py", "tests/golden/test_pointclip_v2_head.py"],
    "loop": ["tests/loop", "tests/training"],
    "projection": ["tests/projection", "tests/golden/test_pointclip_v2_projection.py"],
}
# Imported before forking, so that no mutant pays for them: never code that is mutated, nor what imports it.
HEAVY = ("torch", "numpy", "pyarrow.parquet", "s3fs", "pydantic_settings", "open_clip", "sklearn.metrics", "scipy", "PIL.Image",
         "hypothesis", "safetensors.torch", "webdataset", "rich.console", "jinja2", "threadpoolctl")  # fmt: skip
BESIDE, TIMES_SLOWER = 40.0, 5.0  # a run's limit: seconds beside those of its tests, and how much slower these may be

Row = dict[str, Any]
Trace = dict[str, Any]
Place = tuple[str, str, list[tuple[str, int]]]  # room, file, the ways to change it: operator and occurrence


def draw(seed: int, count: int) -> list[Row]:
    """The first `count` mutants in the order that the seed gives the places of all rooms."""
    places = [place for room in SOURCES for file in files_of(room) for place in places_in(room, file)]
    lots = random.Random(seed)
    lots.shuffle(places)
    rows = (row for place in places for row in _change(place, lots))
    return [{"number": number, **row} for number, row in enumerate(itertools.islice(rows, count))]


def files_of(room: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for pattern in SOURCES[room] for path in ROOT.glob(pattern))


def places_in(room: str, file: str) -> list[Place]:
    source = (ROOT / file).read_text()
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


def _spared(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Spans of annotations and of the sentences that errors tell."""
    for node in ast.walk(tree):
        parts = [getattr(node, field, None) for field in ("annotation", "returns")]
        if isinstance(node, ast.Raise):
            parts += [part for part in ast.walk(node) if isinstance(part, ast.JoinedStr)]
        for part in parts:
            if part is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


def _change(place: Place, lots: random.Random) -> list[Row]:
    """The place changed in one drawn way that is Python without a warning, as one row; none where there is no such way."""
    room, file, ways = place
    source = (ROOT / file).read_text()
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
    same = len(os.path.commonprefix([old, new]))
    tail = len(os.path.commonprefix([old[same:][::-1], new[same:][::-1]]))
    before, after = old[same : len(old) - tail], new[same : len(new) - tail]
    return {"line": same + 1, "before": "\n".join(before), "after": "\n".join(after)}


def mutated_text(row: Row) -> str | None:
    """The row's file with its fault in, wherever its line lies by now; None where the line is gone."""
    lines, before = (ROOT / row["file"]).read_text().splitlines(), row["before"].split("\n")
    starts = [at for at in range(len(lines)) if lines[at : at + len(before)] == before]
    if not starts:
        return None
    start = min(starts, key=lambda at: abs(at + 1 - row["line"]))
    row["line"] = start + 1
    return "\n".join([*lines[:start], row["after"], *lines[start + len(before) :]]) + "\n"


class Tracer:
    """A pytest plugin that notes which test reaches which line, how long each takes, and which fail."""

    def __init__(self, tree: Path, room: str) -> None:
        self.tree = tree
        files = [str(tree / file) for file in files_of(room)]
        self.cover = coverage.Coverage(data_file=None, include=files, messages=False)
        self.seconds: Counter[str] = Counter()
        self.failed: list[str] = []
        self.cover.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.cover.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def trace(self) -> Trace:
        self.cover.stop()
        data, lines = self.cover.get_data(), {}
        for file in data.measured_files():
            reached = {line: [*filter(None, tests)] for line, tests in data.contexts_by_lineno(file).items()}
            lines[Path(file).relative_to(self.tree).as_posix()] = reached
        return {"seconds": dict(self.seconds), "failed": self.failed, "lines": lines}


class Killer:
    """A pytest plugin that notes the first test to fail."""

    test = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.test:
            self.test = report.nodeid


def reaching(row: Row, traces: list[Trace]) -> dict[str, float]:
    """Tests that reach the row's statement (its file, where it runs at import), with their seconds, the quickest first."""
    lines = _statement((ROOT / row["file"]).read_text(), row["line"])
    tests: dict[str, float] = {}
    for trace in traces:
        for line, names in trace["lines"].get(row["file"], {}).items():
            if lines is None or int(line) in lines:
                tests |= {name: trace["seconds"][name] for name in names if name not in trace["failed"]}
    chosen = {name: seconds for name, seconds in tests.items() if "s3" in row["file"] or "s3" not in name}
    return dict(sorted(chosen.items(), key=lambda test: test[1]))


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


def run_tests(tree: Path, tests: list[str], plugin: object) -> int:
    """Run tests of a tree in this process, a fork of the script's, and return pytest's exit code."""
    os.setsid()
    os.chdir(tree)
    sys.path[:] = [str(tree), *(entry for entry in sys.path if entry and not Path(entry).is_relative_to(ROOT / "bench"))]
    sys.path[:] = [entry for entry in sys.path if Path(entry) != ROOT]
    os.environ["PYTHONPATH"] = str(tree)
    sys.modules["__main__"] = ModuleType("__main__")  # what tests spawn would import this script otherwise
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    quiet = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*quiet, *tests], plugins=[plugin]))


def trace_file(tree: Path, into: Path, room: str, file: str) -> None:
    tracer = Tracer(tree, room)
    run_tests(tree, [file, "--maxfail=1000"], tracer)
    into.write_text(json.dumps(tracer.trace()))


def try_tests(tree: Path, into: Path, tests: list[str]) -> None:
    killer = Killer()
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    code = run_tests(tree, tests, killer)
    into.write_text(json.dumps({"code": code, "killer": killer.test}))


class Work:
    """Tests to run in a tree, in a forked process: with which fault, for how long, and who is told the end."""

    def __init__(self, target: Callable[[Path, Path], None], limit: float, done: Callable[[Row], None], file: str = "", text: str = "") -> None:
        self.target, self.limit, self.done, self.file, self.text = target, limit, done, file, text

    def start(self, tree: Path) -> None:
        self.tree, self.into, self.started = tree, tree.with_suffix(".json"), time.monotonic()
        self.into.unlink(missing_ok=True)
        if self.file:
            (tree / self.file).write_text(self.text)
        self.process = multiprocessing.get_context("fork").Process(target=self.target, args=(tree, self.into))
        self.process.start()

    def ended(self) -> bool:
        late = time.monotonic() - self.started > self.limit
        if self.process.is_alive() and not late:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)  # with all that the tests left behind
        self.process.join()
        if self.file:
            shutil.copy2(ROOT / self.file, self.tree / self.file)
        told = json.loads(self.into.read_text()) if self.into.exists() else {"code": -1, "killer": ""}
        self.done({**told, "late": late, "took": round(time.monotonic() - self.started, 1)})
        return True


def work_through(queue: Iterator[Work], scratch: Path, processes: int) -> None:
    """Do all work, each in a copy of the repository that nobody else uses at that time."""
    trees = [scratch / f"tree{number}" for number in range(processes)]
    for tree in trees:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__"))
    running: dict[Path, Work] = {}
    more = True
    while more or running:
        for tree in trees:
            if more and tree not in running:
                work = next(queue, None)
                if work is None:
                    more = False
                else:
                    work.start(tree)
                    running[tree] = work
        time.sleep(0.05)
        running = {tree: work for tree, work in running.items() if not work.ended()}


def trace_rooms(scratch: Path, processes: int) -> dict[str, list[Trace]]:
    """What every test file of every room reaches; kept, and made anew where the file or its room has changed."""
    kept: dict[str, list[Path]] = {room: [] for room in SOURCES}
    (scratch / "traces").mkdir(parents=True, exist_ok=True)
    queue = []
    for room, given in TESTS.items():
        sources = b"".join((ROOT / file).read_bytes() for file in files_of(room))
        for test in (path for entry in given for path in sorted((ROOT / entry).rglob("test_*.py")) or [ROOT / entry]):
            digest = hashlib.sha256(sources + test.read_bytes()).hexdigest()[:16]
            kept[room].append(scratch / "traces" / f"{test.stem}-{digest}.json")
            if not kept[room][-1].exists():
                queue.append(_tracing(room, test.relative_to(ROOT).as_posix(), kept[room][-1]))
    work_through(iter(queue), scratch, processes)
    return {room: [json.loads(path.read_text()) for path in paths] for room, paths in kept.items()}


def _tracing(room: str, file: str, into: Path) -> Work:
    def done(told: Row) -> None:
        if "lines" not in told:
            raise RuntimeError(f"{file} does not run here; see what `pytest {file}` says")
        into.write_text(json.dumps(told))
        print(f"traced {file}: {told['took']} s, failed {told['failed']}", flush=True)

    return Work(partial(trace_file, room=room, file=file), 900.0, done)


def try_rows(rows: list[Row], traces: dict[str, list[Trace]], save: Callable[[], None]) -> Iterator[Work]:
    for row in rows:
        text, tests = mutated_text(row), reaching(row, traces[row["room"]])
        if text is None or not tests:
            row["outcome"] = "gone" if text is None else "survived"
            continue
        limit = BESIDE + TIMES_SLOWER * sum(tests.values())
        yield Work(partial(try_tests, tests=list(tests)), limit, _noting(row, save), row["file"], text)


def _noting(row: Row, save: Callable[[], None]) -> Callable[[Row], None]:
    def done(told: Row) -> None:
        row["outcome"] = "survived" if told["code"] == 0 else "timeout" if told["late"] else "killed"
        row.update({name: told[name] for name in ("killer", "code", "took")})
        save()
        print(f"{row['number']:4} {row['outcome']:9} {row['took']:6} s  {row['file']}:{row['line']} {row['operator']}", flush=True)

    return done


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z, share = 1.959964, part / whole
    middle = share + z * z / (2 * whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return (middle - reach) / (1 + z * z / whole), (middle + reach) / (1 + z * z / whole)


def report(rows: list[Row]) -> str:
    """A Markdown table of what was killed, by room; a run that had to be stopped counts as killed."""
    lines = ["| room | killed | of | share | 95 % interval | equivalent, left out |", "|---|---|---|---|---|---|"]
    for room in [*SOURCES, "all"]:
        ends = Counter(row["outcome"] for row in rows if "outcome" in row and room in (row["room"], "all"))
        killed = ends["killed"] + ends["timeout"]
        whole = killed + ends["survived"]
        if whole:
            low, high = wilson(killed, whole)
            share = f"{killed / whole:.1%} | {low:.1%} to {high:.1%}"
            lines.append(f"| {room} | {killed} | {whole} | {share} | {ends['equivalent']} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0, help="start no mutant after these")
    parser.add_argument("--again", action="store_true", help="run those that survived once more")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "opendlign-mutants")
    options = parser.parse_args()
    stop = time.monotonic() + 60 * options.minutes
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"seed": options.seed, "mutants": []}
    rows = kept["mutants"]
    if len(rows) < options.count:
        rows += draw(kept["seed"], options.count)[len(rows) :]

    def save() -> None:
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in HEAVY:
        importlib.import_module(name)
    traces = trace_rooms(options.scratch, options.processes)
    due = [row for row in rows if row.get("outcome") == ("survived" if options.again else None)]
    in_time = itertools.takewhile(lambda _: time.monotonic() < stop, try_rows(due, traces, save))
    work_through(in_time, options.scratch, options.processes)
    save()
    print(report(rows))


if __name__ == "__main__":
    main()
