"""One parser process seen from the process that asks it: started on demand, stopped when it dies or overruns."""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from opendlign_core.children import bare_environment
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.limits import Limits
from opendlign_core.ingestion.parser_process import OUT_OF_MEMORY
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.wire import Reply, split_reply

_START_SECONDS = 120.0

# Arrow's own allocators reserve more address space than a parser may have.
_FRUGAL = {"ARROW_DEFAULT_MEMORY_POOL": "system"}

# Signals that come from outside of the parser: from an operator, from a system short of memory, from its own alarm.
_NOT_OF_THE_FILE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM})


class ChildClosed(RuntimeError):
    """The process was closed while it was asked."""


class Setback(Exception):
    """A request without an answer. Another try with more time and memory may get one."""

    def __init__(self, reason: str, *, refuses: bool = False, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refuses = refuses
        """Whether the file is at fault once no more time and memory helps."""
        self.final = final
        """Whether it went beyond what the recipe allows, so that no other try is due."""


class Child:
    """One parser process at a time; used by one thread at a time, except for `close`. Use as a context manager."""

    def __init__(self, recipe: IngestRecipe | None = None) -> None:
        self._recipe = None if recipe is None else recipe.model_dump(mode="json")
        self._limits: Limits | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._stderr: IO[bytes] | None = None
        self._fresh = True
        self._closed = False

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the running parser, if one runs."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Stop the process for good; a request under way in another thread raises ChildClosed."""
        self._closed = True
        self._stop()

    def climb(self, rungs: tuple[Limits, ...], most_bytes: int, **request: Any) -> Reply:
        """The answer to a request, given more time and memory as long as it lacks them.

        Raises:
            UnreadableShape: the answer is that the file cannot be read.
            Setback: no answer with the last limits.
            RuntimeError: the parser process meets a fault of its own.
        """
        for limits in rungs:
            try:
                return self.ask(limits, most_bytes, **request)
            except Setback as setback:
                last = setback
                if last.final:
                    break
        if last.refuses:
            raise UnreadableShape(last.reason)
        raise last

    def ask(self, limits: Limits, most_bytes: int, **request: Any) -> Reply:
        """The answer to one request within limits; raises like `climb`."""
        connection = self._started(limits)
        try:
            connection.send_bytes(json.dumps(request).encode())
            if not connection.poll(limits.seconds):
                self._stop()
                raise Setback(f"took longer than {limits.seconds:g} s to parse")
            reply = split_reply(connection.recv_bytes(most_bytes))
        except (EOFError, OSError, ValueError):
            raise self._death(limits) from None
        self._fresh = False
        if reply.fault:
            raise Setback(reply.fault)
        if reply.doubtful:
            self._stop()
            raise Setback(reply.refusal, refuses=True)
        if reply.refusal:
            raise UnreadableShape(reply.refusal)
        return reply

    def _started(self, limits: Limits) -> Connection:
        if self._connection is None or limits != self._limits:
            self._stop()
            self._limits, self._fresh = limits, True
            self._connection = self._start()
            if self._closed:  # meanwhile, by another thread, which found nothing to stop
                self._stop()
                raise ChildClosed("the parser process is closed")
            self._greet(self._connection, limits)
        return self._connection

    def _start(self) -> Connection:
        if self._closed:
            raise ChildClosed("the parser process is closed")
        ours, theirs = Pipe()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "opendlign_core.ingestion.parser_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=bare_environment() | _FRUGAL,
                start_new_session=True,
            )
        return ours

    def _greet(self, connection: Connection, limits: Limits) -> None:
        settings = {
            "recipe": self._recipe,
            "seconds": limits.seconds,
            "cpu_seconds": limits.cpu_seconds,
            "memory_mib": limits.memory_mib,
        }
        try:
            connection.send_bytes(json.dumps(settings).encode())
            ready = connection.poll(_START_SECONDS) and connection.recv_bytes(64) == b"ready"
        except (EOFError, OSError):
            ready = False
        if not ready:
            report = self._last_words()
            self._stop()
            if self._closed:
                raise ChildClosed("the parser process is closed")
            raise RuntimeError(f"a parser process could not start: {report}")

    def _last_words(self) -> str:
        if self._stderr is None:
            return "it left no message"
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")[-4000:].strip() or "it left no message"

    def _death(self, limits: Limits) -> Exception:
        process = self._process
        if self._closed or process is None:
            return ChildClosed("the parser process is closed")
        try:
            status = process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            status = 0
        self._stop()
        return _setback(status, limits, self._fresh)

    def _stop(self) -> None:
        process, connection, stderr = self._process, self._connection, self._stderr
        self._process = self._connection = self._stderr = None
        if process is not None:
            process.kill()
            process.wait()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()
        if stderr is not None:
            stderr.close()


def _setback(status: int, limits: Limits, fresh: bool) -> Setback:
    """What the exit status of a parser process says about its last file, `fresh` if that was its only one."""
    if status == OUT_OF_MEMORY:
        reason = f"needs more than {limits.memory_mib} MiB of memory to parse"
        return Setback(reason, refuses=limits.recipe_memory, final=limits.recipe_memory and fresh)
    if status == -signal.SIGPROF:
        return Setback(
            f"needs more than {limits.cpu_seconds:g} s of processor time to parse", refuses=True, final=True
        )
    if -status in _NOT_OF_THE_FILE:
        return Setback(f"had its parser process killed ({_signal_name(-status)})")
    if status < 0:
        return Setback(f"killed its parser process ({_signal_name(-status)})", refuses=True)
    return Setback(f"ended its parser process (exit status {status})", refuses=True)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
