"""The program of an engine's own Prefect server: serves a socket that it is given until its parent is gone."""

import os
import socket
import sys
import threading
from contextlib import suppress

import uvicorn
from prefect.server.api.server import create_app

from opendlign.database import begin_database


def main() -> None:
    """Serve the listening socket whose descriptor is the first argument, as long as standard input is open."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin_database()
    app = create_app(ephemeral=True, final=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    server.run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


def _end_with_parent() -> None:
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    # Nobody is left who could be told of anything, and the database stands any end.
    os._exit(0)


if __name__ == "__main__":
    main()
