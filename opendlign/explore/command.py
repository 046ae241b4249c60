"""`opendlign explore`: a trained model and its shapes in the browser, for this machine alone."""

import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from opendlign.explore.listening import HOST, listening
from opendlign.models import Which
from opendlign.shapes import LAST_RUN, named_model
from opendlign.show import console

if TYPE_CHECKING:
    from starlette.applications import Starlette

SECONDS_TO_FINISH = 1
"""What is still being answered when the command ends."""


def explore(
    *,
    which: Which = LAST_RUN,
    port: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))] = 8765,
    browser: Annotated[bool, Parameter(help="Open the page in a browser")] = True,
) -> int:
    """Search by words, picture or shape, turn what is found, and see what training changed, in a browser.

    It listens on 127.0.0.1, asks nobody for anything, and keeps what is dropped on it in memory alone.

    Parameters
    ----------
    port
        Port of the pages; 0 takes a free one.
    """
    with listening(HOST, port) as listener:
        trained = named_model(which)
        console.print("Loading the model and its shapes ...")
        from opendlign.explore.server import build_server

        application, url = build_server(trained), f"http://{HOST}:{listener.getsockname()[1]}"
        with suppress(KeyboardInterrupt), _serving(application, listener) as answering:
            console.print(f"Explore: {url} (Ctrl-C ends it)", soft_wrap=True)
            if browser:
                webbrowser.open(url)
            answering.join()
    return 0


@contextmanager
def _serving(application: "Starlette", listener: socket.socket) -> Iterator[threading.Thread]:
    """In the block, a thread answers; in the main thread, uvicorn would raise every signal a second time."""
    import uvicorn

    config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=SECONDS_TO_FINISH)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="explore")
    thread.start()
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join()
