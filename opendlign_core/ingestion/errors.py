"""The declared errors of ingestion."""


class UnreadableShape(ValueError):
    """A file holds no usable shape; the message is the reason that the rejected row carries."""


class TooManyRejected(RuntimeError):
    """More objects were rejected than the execution allows."""
