"""The program of a parser process: reads requests from a pipe, answers each, and dies alone when a file kills it."""

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.parse import Parser
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.wire import encode_failure, encode_object, encode_rejection

OUT_OF_MEMORY = 77
"""Exit status of a process that reached its memory limit."""

_GRACE_SECONDS = 5.0


def main() -> None:
    """Serve the connection whose descriptor is the first argument until it closes."""
    connection = Connection(int(sys.argv[1]))
    settings = json.loads(connection.recv_bytes())
    parser = Parser(IngestRecipe.model_validate(settings["recipe"]))
    limit_resources(int(settings["memory_mib"]))
    connection.send_bytes(b"ready")
    with contextlib.suppress(EOFError):
        while True:
            request = json.loads(connection.recv_bytes())
            # The parent kills a process that overruns; the alarm does so when there is no parent left.
            signal.setitimer(signal.ITIMER_REAL, float(settings["timeout_seconds"]) + _GRACE_SECONDS)
            reply = _answer(parser, request)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send_bytes(reply)


def _answer(parser: Parser, request: dict[str, str | None]) -> bytes:
    entry = ObjectEntry.model_validate_json(request["entry"] or "")
    path = Path(request["path"]) if request["path"] else None
    try:
        return encode_object(parser.parse(entry, path))
    except UnreadableShape as error:
        return encode_rejection(str(error))
    except MemoryError:
        # A fresh process tells a file that is too large from one that met a fragmented heap.
        os._exit(OUT_OF_MEMORY)
    except Exception:
        return encode_failure(traceback.format_exc())


def limit_resources(memory_mib: int) -> None:
    """Bound what this process may still allocate and write; systems without a limit go unbounded."""
    ceiling = _address_space() + (memory_mib << 20)
    for kind, value in (
        (resource.RLIMIT_AS, ceiling),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 1 << 20),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def _address_space() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return 4 << 30  # generous where the system does not say: macOS maps several GiB into every process
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
