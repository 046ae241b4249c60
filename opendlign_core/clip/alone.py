"""Forward passes whose results do not depend on what is computed beside them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import TypeVar

import torch

from opendlign_core.streams import mapped

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_alone(forward: Callable[[Item], Result], items: Iterable[Item], device: torch.device) -> Iterator[Result]:
    """Yield `forward(item)` in order, each item by itself and, on a CPU, on one thread of its own.

    Libraries of linear algebra add in an order that depends on the size of a batch and on the number of threads that
    share it. Alone an item gives the same bytes on the same kind of processor, however many there are; items run side
    by side, so little time is lost. Gradient and inference modes do not reach `forward` from here.
    """
    if device.type != "cpu":
        yield from map(forward, items)
        return
    threads = torch.get_num_threads()
    try:
        with closing(mapped(forward, items, threads, prepare=partial(torch.set_num_threads, 1))) as results:
            yield from results
    finally:
        torch.set_num_threads(threads)  # the setting reaches every thread that starts later
