"""The declared error of ingestion."""


class UnreadableShape(ValueError):
    """A file holds no usable shape; the message is the reason that the rejected row carries."""
