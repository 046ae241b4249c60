"""The engine of a run: the Prefect API that its settings name or, where they name none, a server for this run alone.

Prefect would start such a server by itself, as a child that a terminal's Ctrl-C ends under the run's hands, and that
SIGTERM leaves behind. This one is in a session of its own, ends with this process whatever ends that, and is stopped
after the run has said its last words to it.
"""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException

START_SECONDS = 300
"""It takes some ten, and many times that on a busy laptop."""
STOP_SECONDS = 2
"""Its last words to its database take less."""
LAST_WORDS_SECONDS = 10


@contextmanager
def engine() -> Iterator[None]:
    """A Prefect API for the flows that run in the block.

    Raises:
        RuntimeError: the server of this run's own does not start.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    server = Server.start()
    try:
        # While the server starts, this process imports what its stages will ask for: seconds that nobody waits for.
        import torch  # noqa: F401

        import flows.stages  # noqa: F401

        server.wait()
        with temporary_settings({PREFECT_API_URL: f"{server.url}/api"}):
            try:
                yield
            finally:
                _say_last_words()
    finally:
        server.stop()


@dataclass(frozen=True)
class Server:
    """A Prefect server without a page, on a port that nobody else has."""

    process: "subprocess.Popen[bytes]"
    url: str

    @classmethod
    def start(cls) -> "Server":
        """Start its process, which accepts requests at once and answers them when it can."""
        from prefect.settings import get_current_settings

        with socket.create_server(("127.0.0.1", 0)) as listening:
            settings = get_current_settings().to_environment_variables(exclude_unset=True)
            process = subprocess.Popen(
                [sys.executable, "-m", "opendlign.server_process", str(listening.fileno())],
                pass_fds=[listening.fileno()],
                stdin=subprocess.PIPE,
                env={**os.environ, **settings},
                start_new_session=True,
            )
            return cls(process, f"http://127.0.0.1:{listening.getsockname()[1]}")

    def wait(self) -> None:
        """Return once it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/health", timeout=START_SECONDS):
                return
        except (OSError, HTTPException) as error:
            raise RuntimeError(f"the Prefect server of this run ended while it was starting ({error})") from error

    def stop(self) -> None:
        """End it; what it has not written down by then is lost."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


def _say_last_words() -> None:
    """Send what Prefect still holds of logs and events; at the exit of this process nobody would answer."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(LAST_WORDS_SECONDS)
    EventsWorker.drain_all(LAST_WORDS_SECONDS)
