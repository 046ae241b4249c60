"""What a user can mend, told apart by its class from a bug of this program."""


class BadInput(ValueError):
    """A file, a name or a value that was given cannot be used; the message names it and says what would help.

    Whoever calls the library for a user shows the message alone. Nothing else that the core raises is meant for users:
    a plain `ValueError`, `KeyError` or `LookupError` out of it is a bug and needs its traceback.
    """
