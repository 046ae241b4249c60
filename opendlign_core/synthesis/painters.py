"""Painter processes, as many as there are processors to use.

Painting is many operations on small arrays, which hold the interpreter's lock: threads of one process only take turns,
and two of them paint fewer images than one.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from opendlign_core.children import bare_environment
from opendlign_core.synthesis.recipe import ShadedRecipe

Images = NDArray[np.uint8]


class PainterDied(RuntimeError):
    """A painter process ended while it was asked for images."""


class Painter:
    """One process; used by one thread at a time. It ends with its pipe, so with this process whatever ends that."""

    def __init__(self, recipe: ShadedRecipe) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            # A session of its own: a terminal's Ctrl-C is for the run, which closes the pipe when it is done.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "opendlign_core.synthesis.painter_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=bare_environment(),
                start_new_session=True,
            )
        self._greeted = False
        self._close = finalize(self, _end, self.process, self._pipe)
        with contextlib.suppress(OSError):  # a process that is gone already is told of by `ready`
            self._pipe.send_bytes(recipe.model_dump_json().encode())

    def ready(self, seconds: float) -> bool:
        """Whether the process can paint, waiting for it so long.

        Raises:
            PainterDied: it ended while starting.
        """
        try:
            if not self._greeted and self._pipe.poll(seconds):
                self._greeted = self._pipe.recv_bytes() == b"ready"
        except (EOFError, OSError) as error:
            raise PainterDied("a painter process could not start") from error
        return self._greeted

    def paint(self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]) -> Images:
        """One image [N, H, W, 3] per depth map [N, H, W], prompt and seed; raises `PainterDied`."""
        order = {"shape": depth.shape, "prompts": list(prompts), "seeds": [int(seed) for seed in seeds]}
        try:
            self._pipe.send_bytes(json.dumps(order).encode())
            self._pipe.send_bytes(np.ascontiguousarray(depth, np.float32).tobytes())
            painted = self._pipe.recv_bytes()
        except (EOFError, OSError) as error:
            raise PainterDied(f"a painter process ended ({self.process.poll()})") from error
        return np.frombuffer(painted, np.uint8).reshape(*depth.shape, 3)

    def close(self) -> None:
        self._close()


class Painters:
    """Some processes that share the images of every call; calls from several threads take turns by processes."""

    def __init__(self, recipe: ShadedRecipe, count: int) -> None:
        self.painters = [Painter(recipe) for _ in range(count)]
        self._idle: SimpleQueue[Painter] = SimpleQueue()
        for painter in self.painters:
            self._idle.put(painter)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="painter")

    def ready(self, seconds: float = 0.0) -> bool:
        """Whether every process can paint; raises `PainterDied`."""
        return all(painter.ready(seconds) for painter in self.painters)

    def paint(self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]) -> Images:
        """As `Painter.paint`, with neighbouring images in one process."""
        count = max(1, min(len(self.painters), len(depth)))
        bounds = [len(depth) * share // count for share in range(count + 1)]
        given = [(depth[low:high], prompts[low:high], seeds[low:high]) for low, high in pairwise(bounds)]
        return np.concatenate([*self._threads.map(self._share, *zip(*given, strict=True))])

    def _share(self, depth: NDArray[np.float32], prompts: Sequence[str], seeds: Sequence[int]) -> Images:
        painter = self._idle.get()
        try:
            return painter.paint(depth, prompts, seeds)
        finally:
            self._idle.put(painter)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        for painter in self.painters:
            painter.close()


def _end(process: "subprocess.Popen[bytes]", pipe: Connection) -> None:
    pipe.close()
    process.kill()
    process.wait()
