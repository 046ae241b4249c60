"""Parser processes seen from the ingest process: started on demand, replaced when they die or overrun."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from opendlign_core.ingestion.cloud import IngestedObject, RejectedObject
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.parser_process import OUT_OF_MEMORY
from opendlign_core.ingestion.recipe import IngestExecution, IngestRecipe
from opendlign_core.ingestion.wire import decode_reply, reply_limit

_START_SECONDS = 120.0

# A parser needs no credentials, so it inherits only what an interpreter needs.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONHOME")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")


class WorkerClosed(RuntimeError):
    """The worker was closed while it was parsing."""


class ParserWorker:
    """One parser process at a time; used by one thread at a time, except for `close`."""

    def __init__(self, recipe: IngestRecipe, execution: IngestExecution) -> None:
        self._recipe = recipe
        self._execution = execution
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._stderr: IO[bytes] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the running parser, if one runs."""
        return None if self._process is None else self._process.pid

    def parse(self, entry: ObjectEntry, path: Path | None) -> IngestedObject | RejectedObject:
        """The outcome of an entry; a file that kills its process is tried once more in a fresh one, then rejected."""
        reason = ""
        for _ in range(2):
            connection = self._connection or self._start()
            try:
                return self._ask(connection, entry, path)
            except TimeoutError:
                self._stop()
                return RejectedObject(entry, f"took longer than {self._execution.timeout_seconds:g} s to parse")
            except (EOFError, OSError, ValueError):
                # A kill from outside (an operator, the system short of memory) must not cost a good object.
                reason = self._reason_of_death()
        return RejectedObject(entry, reason)

    def close(self) -> None:
        """Stop the process for good; a `parse` under way in another thread raises WorkerClosed."""
        self._closed = True
        self._stop()

    def _ask(self, connection: Connection, entry: ObjectEntry, path: Path | None) -> IngestedObject | RejectedObject:
        request = {"entry": entry.model_dump_json(), "path": None if path is None else str(path)}
        connection.send_bytes(json.dumps(request).encode())
        if not connection.poll(self._execution.timeout_seconds):
            raise TimeoutError
        return decode_reply(connection.recv_bytes(reply_limit(self._recipe.points)), entry, self._recipe.points)

    def _start(self) -> Connection:
        if self._closed:
            raise WorkerClosed("the parser pool is closed")
        ours, theirs = Pipe()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        inherited = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "opendlign_core.ingestion.parser_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=inherited | _ONE_THREAD | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )
        self._connection = ours
        self._greet(ours)
        return ours

    def _greet(self, connection: Connection) -> None:
        settings = {
            "recipe": self._recipe.model_dump(mode="json"),
            "timeout_seconds": self._execution.timeout_seconds,
            "memory_mib": self._execution.memory_mib,
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
                raise WorkerClosed("the parser pool is closed")
            raise RuntimeError(f"a parser process could not start: {report}")

    def _last_words(self) -> str:
        if self._stderr is None:
            return "it left no message"
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")[-4000:].strip() or "it left no message"

    def _reason_of_death(self) -> str:
        process = self._process
        if self._closed or process is None:
            raise WorkerClosed("the parser pool is closed")
        try:
            status = process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            status = 0
        self._stop()
        if status == OUT_OF_MEMORY:
            return f"needs more than {self._execution.memory_mib} MiB of memory to parse"
        if status < 0:
            return f"killed its parser process ({_signal_name(-status)})"
        return f"ended its parser process (exit status {status})"

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


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
