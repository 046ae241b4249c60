"""What the terminal shows: plans, progress bars, the benchmark's table."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from storage.local import LocalStore
from storage.output import find_manifest, load_manifest
from storage.records import Manifest
from storage.store import Store

if TYPE_CHECKING:
    from flows.plan import NodeStatus, Planned
    from flows.sources import ListedSource
    from opendlign_core.evaluation import EvaluationResults, ResultTable
    from tasks.progress import ProgressState
    from tasks.requirements import Requirement

# Names that come from other people's files must not act as markup anywhere.
# A program that reads a pipe wants whole lines: what is cut for a screen would be lost to it.
PIPE_WIDTH = 400
piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
console = Console(highlight=False, markup=False, width=PIPE_WIDTH if piped else None)
T = TypeVar("T")
SHOWN_REJECTIONS = 3
WORDS_SHOWN = 8
COLOURS = {"done": "green", "partial": "yellow", "missing": "cyan", "stale": "magenta"}


def plain(words: str) -> Text:
    """Words that may come from other people's files, as they are: neither markup nor terminal codes act."""
    return Text("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words))


def print_plan(statuses: Sequence["Planned"], store_url: str) -> None:
    """One row per stage: what is there, what is lacking, and what changed since a sibling was built."""
    from flows.plan import UnknownNode

    table = Table(
        "stage",
        "fingerprint",
        "state",
        "shards",
        "changed since the nearest earlier output",
        title=f"Plan for {store_url}",
    )
    for status in statuses:
        if isinstance(status, UnknownNode):
            absent = plain(f"reads {', '.join(status.absent)}")
            table.add_row(plain(status.title), "?", Text("source absent", "red"), "?", absent)
            continue
        shards = "?" if status.shards is None else f"{status.shards_done}/{status.shards}"
        state, remarks = Text(status.state, COLOURS[status.state]), Text("\n").join(map(plain, status.remarks[:4]))
        table.add_row(plain(status.title), status.identity.fingerprint[:8], state, shards, remarks)
    console.print(table)


def print_absent(sources: Iterable["ListedSource"]) -> None:
    """One line for each source that lists nothing: what is missing or wrong, and what can be done about it."""
    for source in sources:
        if source.listing is None:
            state = "source absent" if source.absent else "source of no use"
            console.print(f"{state}: {source.name}: {source.problem}", soft_wrap=True)


def print_requirements(needed: Sequence["Requirement"]) -> None:
    """What a run would need of this machine; what is not here stands out."""
    for one in needed:
        told = one.problem or f"needs {one.name}: {one.state}"
        console.print(Text(plain(told).plain, "red" if one.problem else ""), soft_wrap=True)


@contextmanager
def stage_bars() -> Iterator["Callable[[ProgressState], None]"]:
    """Draw one progress bar per stage, fed by whoever is given the listener."""
    bars: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def show(state: "ProgressState") -> None:
            if state.stage not in bars:
                bars[state.stage] = progress.add_task(state.stage, total=state.total, speed="")
            progress.update(bars[state.stage], completed=state.done, total=state.total, speed=state.speed)

        yield show


def counted(things: Iterable[T], total: int) -> Iterator[T]:
    """The things as they come, with a bar in a terminal that goes when they are done."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(things, total=total)


def print_outputs(store: Store, statuses: Sequence["NodeStatus"]) -> None:
    """What each stage made, how much of it was rejected, and the first reasons."""
    for status in statuses:
        manifest = load_manifest(store, status.stage, status.identity.fingerprint)
        console.print(f"{manifest.folder} is complete in {store.url}{_made(manifest)}", soft_wrap=True)
        rejected = [sample for record in manifest.shards for sample in record.rejected]
        for sample in rejected[:SHOWN_REJECTIONS]:
            console.print(plain(f"  rejected {sample.id}: {sample.reason}"), soft_wrap=True)
        if (more := len(rejected) - SHOWN_REJECTIONS) > 0:
            console.print(f"  and {more} more: opendlign inspect {manifest.folder}", soft_wrap=True)


def _made(manifest: Manifest) -> str:
    if manifest.shards:
        return f": {manifest.samples} objects, {manifest.rejected} rejected"
    return f": {manifest.summary['steps']} steps" if "steps" in manifest.summary else ""


def print_reports(store: Store, statuses: Sequence["NodeStatus"]) -> None:
    """What every evaluation among these outputs found, and where its report lies."""
    for status in statuses:
        print_report(store, status.stage, status.identity.fingerprint)


def print_report(store: Store, stage: str, fingerprint: str) -> None:
    """The tables of an output that has results and a report; nothing where it has none or is not finished."""
    from opendlign_core.evaluation import read_results
    from tasks.evaluate import fetch_file
    from tasks.words import unread_in_evaluation

    manifest = find_manifest(store, stage, fingerprint)
    if manifest is None or not {"results", "report"} <= {stored.name for stored in manifest.files}:
        return
    with tempfile.TemporaryDirectory(prefix="opendlign-show-") as scratch:
        results = read_results(fetch_file(store, manifest, "results", Path(scratch) / "results.json"))
    print_results(results)
    print_unread(results.model, unread_in_evaluation(store, manifest, results))
    if isinstance(store, LocalStore):
        report = store.path(f"{manifest.folder}/{manifest.file('report').file}")
    else:
        report = fetch_file(store, manifest, "report", Path("report.html").absolute())
    console.print(f"Report: {report}", soft_wrap=True)


def print_unread(model: str, words: Sequence[str]) -> None:
    """A warning for words that a CLIP never read; nothing where it read them all."""
    if words:
        shown = f"{', '.join(words[:WORDS_SHOWN])}{' and more' if len(words) > WORDS_SHOWN else ''}"
        console.print(plain(f"{model} never read {shown}: what it says of them is a guess"), soft_wrap=True)


def print_results(results: "EvaluationResults") -> None:
    """The table of every benchmark that has rows."""
    from opendlign_core.evaluation import judged_by

    for benchmark in judged_by(results):
        console.print(_rich_table(benchmark.table(results).narrow()))


def _rich_table(found: "ResultTable") -> Table:
    """Names fold where they are long; what comes from data is text, never markup."""
    table = Table(title=plain(found.title))
    for index, column in enumerate(found.columns):
        numbers = all(isinstance(row[index], int | float) for row in found.rows)
        table.add_column(plain(column.name), justify="right" if numbers else "left", overflow="fold")
    for row in found.rows:
        table.add_row(*(plain(f"{cell:.1f}" if isinstance(cell, float) else str(cell)) for cell in row))
    return table
