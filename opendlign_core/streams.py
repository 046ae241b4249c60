"""Bounded, ordered overlap of producers and consumers, with threads that end when the consumer stops.

Both functions are generators: nothing runs before the first item is asked for, an exception of the source or of
`fn` is raised where its item would have come, and closing the generator (or leaving its loop) ends every thread
and closes the source.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _End:
    """The last thing in a queue: the source is exhausted, or failed with `error`."""

    error: BaseException | None = None


def prefetched(iterable: Iterable[Item], depth: int) -> Generator[Item, None, None]:
    """Yield the items of `iterable`, produced by a thread that runs at most `depth` items ahead."""
    _require_positive("depth", depth)
    ready: queue.Queue[Item | _End] = queue.Queue(maxsize=depth)
    stopped = threading.Event()
    pump = threading.Thread(target=_pump, args=(iterable, ready, stopped), name="prefetched", daemon=True)
    pump.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        _drain(ready, pump)


def mapped(
    fn: Callable[[Item], Result],
    iterable: Iterable[Item],
    workers: int,
    prepare: Callable[[], object] | None = None,
) -> Generator[Result, None, None]:
    """Yield `fn(item)` in the order of `iterable`, computed by threads; at most 2 * workers items are in flight.

    Each thread calls `prepare` once, before its first item.
    """
    _require_positive("workers", workers)
    pending: deque[Future[Result]] = deque()
    source = iter(iterable)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mapped", initializer=prepare)
    try:
        for item in source:
            pending.append(pool.submit(fn, item))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        _close(source)


def _pump(iterable: Iterable[Item], ready: "queue.Queue[Item | _End]", stopped: threading.Event) -> None:
    end = _End()
    try:
        source = iter(iterable)
        try:
            for item in source:
                ready.put(item)
                if stopped.is_set():
                    break
        finally:
            _close(source)
    except BaseException as error:
        end = _End(error)
    ready.put(end)


def _drain(ready: "queue.Queue[Item | _End]", pump: threading.Thread) -> None:
    """Take items out until the pump, which may be waiting for room, has ended."""
    while pump.is_alive():
        try:
            ready.get(timeout=0.02)
        except queue.Empty:
            continue
    pump.join()


def _close(source: Iterator[Item]) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


def _require_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
