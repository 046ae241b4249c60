"""`opendlign explore`: a trained model and its shapes in the browser, for this machine alone."""

import webbrowser
from typing import Annotated

from cyclopts import Parameter, validators

from opendlign.explore.listening import HOST, listening
from opendlign.models import Which
from opendlign.shapes import LAST_RUN, named_model
from opendlign.show import console


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
        import uvicorn

        from opendlign.explore.server import build_server

        server = uvicorn.Server(uvicorn.Config(build_server(trained), log_level="warning"))
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        console.print(f"Explore: {url} (Ctrl-C ends it)", soft_wrap=True)
        if browser:
            webbrowser.open(url)
        server.run([listener])
    return 0
