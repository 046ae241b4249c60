"""What can go wrong with bytes at rest. Every message names the thing and the remedy."""


class StorageError(Exception):
    """Base of all storage errors."""


class StoreUnavailable(StorageError):
    """The store cannot be reached or refuses access."""


class MissingOutput(StorageError):
    """A stage output that a reader needs has no manifest."""


class DamagedOutput(StorageError):
    """A committed object is absent or its bytes are not the ones its record promises."""

    def __init__(self, stage: str, fingerprint: str, file: str, expected: str, found: str) -> None:
        super().__init__(
            f"{stage}/{fingerprint}: {file} is damaged: expected {expected}, found {found}. "
            "Run `opendlign verify STORE --repair`, then run the stage again: it rebuilds exactly the damaged shards."
        )
        self.stage = stage
        self.fingerprint = fingerprint
        self.file = file


class ConflictingOutput(StorageError):
    """The same fingerprint already holds something else, so the stage is not a pure function of its recipe."""
