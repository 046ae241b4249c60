from opendlign_core.errors import BadInput


class Diverged(BadInput):
    """A run that has left the finite numbers; the message says at which step, how fast it learnt and what to lower."""
