"""The program of a painter process: paints what comes through a pipe until the pipe closes."""

import contextlib
import json
import sys
from multiprocessing.connection import Connection

import numpy as np

from opendlign_core.synthesis.recipe import ShadedRecipe
from opendlign_core.synthesis.shaded import paint_images


def main() -> None:
    """Serve the connection whose descriptor is the first argument."""
    connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, BrokenPipeError):
        recipe = ShadedRecipe.model_validate_json(connection.recv_bytes())
        connection.send_bytes(b"ready")
        while True:
            order = json.loads(connection.recv_bytes())
            depth = np.frombuffer(connection.recv_bytes(), np.float32).reshape(order["shape"])
            connection.send_bytes(paint_images(depth, order["prompts"], order["seeds"], recipe).tobytes())


if __name__ == "__main__":
    main()
