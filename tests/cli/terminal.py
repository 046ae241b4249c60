"""A command in a terminal of its own, as a person runs it: Ctrl-C is typed, and reaches all in the foreground."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.integration.harness import PATIENCE, descendants, running

# Opening a terminal makes it the one that controls this session, in which Ctrl-C is a signal.
LAUNCH = """
import os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """A running Python program whose input and output are a terminal."""

    def __init__(self, *words: str, cwd: Path, environment: Mapping[str, str]) -> None:
        self._screen, side = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *words],
            stdin=side,
            stdout=side,
            stderr=side,
            cwd=cwd,
            env={**environment, "TERM": "xterm", "COLUMNS": "200"},
            start_new_session=True,
        )
        os.close(side)

    def wait_for(self, text: str) -> None:
        """Return as soon as the text is on the screen."""
        end = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < end, f"waited in vain for {text!r}:\n{self.shown[-2000:]}"
            assert self.read(0.2) or self.process.poll() is None, f"ended without {text!r}:\n{self.shown[-2000:]}"

    def ctrl_c(self) -> None:
        os.write(self._screen, b"\x03")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def family(self) -> list[int]:
        """The processes that it has started by now, and theirs."""
        return descendants(self.process.pid)

    def ended(self, seconds: float) -> int:
        """Its exit code, once it has ended; what it says until then is read."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it lives after {seconds:.0f} s:\n{self.shown[-2000:]}"
            self.read(0.05)
        while self.read(0):
            pass
        return self.process.returncode

    def close(self) -> None:
        """End whatever is left of it."""
        left = [self.process.pid, *self.family()] if self.process.poll() is None else []
        for pid in filter(running, left):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._screen)

    def read(self, seconds: float) -> bool:
        """Take what it shows within that time; whether there was anything."""
        if not select.select([self._screen], [], [], seconds)[0]:
            return False
        try:
            read = os.read(self._screen, 1 << 16)
        except OSError:  # nobody has the terminal open any more
            return False
        self.shown += read.decode(errors="replace")
        return bool(read)
