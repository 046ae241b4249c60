"""Work on all cores of a CPU, one piece each."""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TypeVar

import torch

from opendlign_core.streams import mapped

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_all_cores(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Yield `work(item)` in order, as many at a time as torch has threads, each on one of them.

    Torch's own threads would split each of many small operations and wait for each other after every one, which
    keeps two cores hardly busier than one.
    """
    cores = torch.get_num_threads()
    try:
        yield from mapped(work, items, cores, prepare=partial(torch.set_num_threads, 1))
    finally:
        torch.set_num_threads(cores)  # the setting reaches every thread that starts later
