"""Each mutant against the tests that reach it, and the share that was noticed."""

import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from bench.mutants.drawing import Row, mutated_text
from bench.mutants.rooms import Rooms
from bench.mutants.running import Told, Work, run_pytest
from bench.mutants.tracing import Trace, reaching

BESIDE, TIMES_SLOWER = 40.0, 5.0
"""A run's limit: seconds beside those of its tests, and how much slower these may be."""


def judged(
    rooms: Rooms, rows: Sequence[Row], traces: Mapping[str, Sequence[Trace]], save: Callable[[], None]
) -> Iterator[Work]:
    """The work of judging the rows: each gets its `outcome`, and keeps what an earlier run found as `first`.

    A mutant is `killed` by the first test that fails, a `timeout` where the tests do not end, `survived` where all
    pass or none reaches it, and `gone` where its line is no longer in the code.
    """
    for row in rows:
        if "outcome" in row:
            row.setdefault("first", row["outcome"])
        text = mutated_text(rooms, row)
        tests = reaching(rooms.read(row["file"]), row, traces[row["room"]])
        if text is None or not tests:
            row["outcome"] = "gone" if text is None else "survived"
            continue
        limit = BESIDE + TIMES_SLOWER * sum(tests.values())
        run = partial(_try_tests, root=rooms.root, tests=list(tests))
        yield Work(run, limit, partial(_note, row, save), row["file"], text)


def _try_tests(tree: Path, into: Path, root: Path, tests: list[str]) -> None:
    killer = _Killer()
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    code = run_pytest(tree, root, tests, killer)
    into.write_text(json.dumps({"code": code, "killer": killer.test}))


class _Killer:
    """A pytest plugin that notes the first test to fail."""

    test = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.test:
            self.test = report.nodeid


def _note(row: Row, save: Callable[[], None], told: Told) -> None:
    row["outcome"] = "survived" if told["code"] == 0 else "timeout" if told["late"] else "killed"
    row.update({name: told[name] for name in ("killer", "code", "took")})
    save()
    where = f"{row['file']}:{row['line']} {row['operator']}"
    print(f"{row['number']:4} {row['outcome']:9} {row['took']:6} s  {where}", flush=True)


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z, share = 1.959964, part / whole
    middle = share + z * z / (2 * whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return (middle - reach) / (1 + z * z / whole), (middle + reach) / (1 + z * z / whole)


def table(rooms: Rooms, rows: Sequence[Row], outcome: Callable[[Row], str]) -> str:
    """Markdown: what was killed, by room. A run that had to be stopped counts as killed."""
    lines = ["| room | killed | of | share | 95 % interval | equivalent | gone |", "|---|---|---|---|---|---|---|"]
    for room in [*rooms.rooms, "all"]:
        ends = Counter(outcome(row) for row in rows if room in (row["room"], "all"))
        killed = ends["killed"] + ends["timeout"]
        whole = killed + ends["survived"]
        if whole:
            low, high = wilson(killed, whole)
            share = f"{killed / whole:.1%} | {low:.1%} to {high:.1%}"
            lines.append(f"| {room} | {killed} | {whole} | {share} | {ends['equivalent']} | {ends['gone']} |")
    return "\n".join(lines)


def first_outcome(row: Row) -> str:
    """What the row's first run found."""
    return str(row.get("first", row.get("outcome", "")))


def last_outcome(row: Row) -> str:
    return str(row.get("outcome", ""))
