"""Entries into objects, in order, through a pool of parser processes."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from opendlign_core.ingestion.cloud import IngestedObject, IngestedPhotos, IngestedScene, RejectedObject
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.recipe import IngestExecution, IngestRecipe
from opendlign_core.ingestion.workers import ParserWorker

Outcome = IngestedObject | IngestedPhotos | IngestedScene | RejectedObject

# Entries under way per worker: enough to hide one slow file, few enough to keep memory flat.
_WINDOW = 4


def ingest_entries(
    entries: Iterable[ObjectEntry],
    recipe: IngestRecipe,
    execution: IngestExecution,
    files: Files | None = None,
) -> Iterator[Outcome]:
    """Yield one outcome per entry, in the order of the entries, which are consumed lazily.

    Files are fetched by threads and parsed in processes of bounded memory and time. A file that kills, hangs or
    exhausts its process is rejected alone. `files` may be None only where every entry is generated.

    Raises:
        OSError: when the source itself fails; an absent file is a rejection.
        RuntimeError: when a parser process cannot start, or meets a fault of this program.
    """
    workers = [ParserWorker(recipe, execution) for _ in range(execution.workers)]
    idle: SimpleQueue[ParserWorker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)
    threads = ThreadPoolExecutor(execution.workers + 1, thread_name_prefix="ingest")
    remaining = iter(entries)
    pending: deque[Future[Outcome]] = deque()
    try:
        for entry in itertools.islice(remaining, _WINDOW * execution.workers):
            pending.append(threads.submit(_outcome, entry, files, idle))
        while pending:
            yield pending.popleft().result()
            for entry in itertools.islice(remaining, 1):
                pending.append(threads.submit(_outcome, entry, files, idle))
    finally:
        for worker in workers:
            worker.close()
        threads.shutdown(wait=True, cancel_futures=True)


def ingest_shapes(
    entries: Iterable[ObjectEntry],
    recipe: IngestRecipe,
    execution: IngestExecution,
    files: Files | None = None,
) -> Iterator[IngestedObject | RejectedObject]:
    """`ingest_entries` of what should be single shapes; anything else is rejected."""
    for outcome in ingest_entries(entries, recipe, execution, files):
        if isinstance(outcome, IngestedObject | RejectedObject):
            yield outcome
        else:
            yield RejectedObject(outcome.entry, "holds no single shape")


def _outcome(entry: ObjectEntry, files: Files | None, idle: SimpleQueue[ParserWorker]) -> Outcome:
    paths: dict[str, Path] = {}
    if not entry.procedural:
        if files is None:
            raise ValueError(f"{entry.object_id} lies in a file, but no files were given to read it from")
        try:
            paths = {key: files.local(key) for key in entry.files}
        except FileNotFoundError as error:
            return RejectedObject(entry, str(error))
    worker = idle.get()
    try:
        return worker.parse(entry, paths)
    finally:
        idle.put(worker)
