"""How the process of a command ends: soon after it is told to, wherever it is, and without taking itself apart.

This is imported before anybody can be told to stop, so it takes little from elsewhere.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

PATIENCE = 3.0
"""Seconds after the first signal in which everything is put away; what is left then is what a crash would leave."""

SENTENCE = "stopped; what was committed stays, and the same command continues"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
OUTPUT_LOST = 120
"""Python's own exit code where what was printed cannot be written."""


class Stop:
    """Which signal told this process to end, if any did."""

    def __init__(self) -> None:
        self.told: signal.Signals | None = None

    @property
    def code(self) -> int:
        """The exit code that says so; a KeyboardInterrupt without a signal counts as Ctrl-C."""
        return 128 + (self.told or signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """In the block, the first signal raises KeyboardInterrupt in the main thread, so that everything is put away.

    A second Ctrl-C, or the end of `PATIENCE`, ends the process and all that it started. That is watched for from then
    on until the process ends, also past the block; without a signal the block leaves no trace. For the main thread.
    """
    stop, (reader, writer) = Stop(), os.pipe()
    os.set_blocking(writer, False)
    # Whoever handles a signal, Prefect for instance, and whatever the main thread is stuck in: the number comes here.
    before_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _interrupting(stop)) for number in SIGNALS}
    watcher = threading.Thread(target=_watch, args=(reader, stop), name="stopping", daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        if stop.told is None:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)
            os.close(writer)
            watcher.join()


@contextmanager
def own_process() -> Iterator[None]:
    """The block is all that this process is for: it ends with the block's exit code as soon as others have tidied up.

    Python would take every module apart first, which costs a second and more where torch was imported.
    """
    code = 1

    def leave() -> None:
        if (logging := sys.modules.get("logging")) is not None:
            logging.shutdown()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            os._exit(code or OUTPUT_LOST)
        os._exit(code)

    # The first to be registered is the last to be called.
    atexit.register(leave)
    try:
        yield
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise


def _interrupting(stop: Stop) -> Callable[[int, object], NoReturn]:
    def interrupt(number: int, frame: object) -> NoReturn:
        stop.told = stop.told or signal.Signals(number)
        raise KeyboardInterrupt

    return interrupt


def _watch(reader: int, stop: Stop) -> None:
    import psutil  # noqa: F401  (now, since whoever ends this process may wait for no other import)

    with open(reader, "rb", buffering=0) as told:
        while (number := told.read(1)) and number[0] not in SIGNALS:
            pass
        if not number:  # the block is left
            return
        stop.told = signal.Signals(number[0])
        timer = threading.Timer(PATIENCE, _end, (stop.code,))
        timer.daemon = True
        timer.start()
        # Prefect repeats a SIGTERM that it has handled, so only Ctrl-C counts twice.
        while told.read(1) != bytes([signal.SIGINT]):
            pass
        _end(stop.code)


def _end(code: int) -> NoReturn:
    """End this process and its children now, whoever holds what lock."""
    import psutil

    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    cursor = "\x1b[?25h\n" if os.isatty(2) else ""  # hidden by progress bars
    os.write(2, f"{cursor}error: {SENTENCE}\n".encode())
    os._exit(code)
