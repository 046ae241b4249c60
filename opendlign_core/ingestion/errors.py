"""What ingestion declares to go wrong: with a file, and with what its parser was given."""

from opendlign_core.errors import BadInput


class UnreadableShape(BadInput):
    """A file holds no usable shape; the message is the reason that the rejected row carries."""


class DoubtfulShape(UnreadableShape):
    """The same, or too little memory: the parser's own message does not tell which."""


class ReadFault(OSError):
    """The disk, the network or this process failed while a file was read, which says nothing about the file."""


class LimitReached(BadInput):
    """An object could be neither read nor refused with the time and memory that its parser was given."""
