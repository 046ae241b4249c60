"""Where explore is to be reached: on this machine alone."""

import socket

from opendlign_core.errors import BadInput

HOST = "127.0.0.1"
"""The only address that is listened on."""


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound already, so that a port that is taken is told before anything slow.

    Raises:
        BadInput: the port is taken.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise BadInput(f"port {port} of {host} is taken: name another with --port, or 0 for a free one") from error
