"""The declared error of ingestion."""

from opendlign_core.errors import BadInput


class UnreadableShape(BadInput):
    """A file holds no usable shape; the message is the reason that the rejected row carries."""
