"""What can go wrong with bytes at rest. Every message names the thing and the remedy."""

from typing import Any


class StorageError(Exception):
    """Base of all storage errors."""


class InvalidStoreUrl(StorageError):
    """What was named as a store cannot be one."""


class InvalidKey(StorageError):
    """A key is not relative and normalised, or leads out of its store."""


class StoreUnavailable(StorageError):
    """The store cannot be reached or refuses access."""


class UnsuitableStore(StorageError):
    """The server lacks what the commit protocol rests on."""


class StoreFull(StorageError):
    """There is no room for an object; trying again is of no use before somebody makes some."""


class MissingOutput(StorageError):
    """An output that somebody asks for is not there or not finished, or lacks a file."""


class DamagedOutput(StorageError):
    """A committed object is absent or its bytes are not the ones its record promises."""

    def __init__(self, stage: str, fingerprint: str, file: str, expected: str, found: str) -> None:
        self.fact = f"{stage}/{fingerprint}: {file} is damaged: expected {expected}, found {found}"
        super().__init__(
            f"{self.fact}. "
            "Run `opendlign verify STORE --repair`, then run the stage again: it rebuilds exactly the damaged shards."
        )
        self.stage = stage
        self.fingerprint = fingerprint
        self.file = file
        self.expected = expected
        self.found = found

    def __reduce__(self) -> tuple[Any, ...]:
        # The default rebuilds an exception from its message alone, which this constructor would not accept.
        return type(self), (self.stage, self.fingerprint, self.file, self.expected, self.found)


class ConflictingOutput(StorageError):
    """The same fingerprint already holds something else, so the stage is not a pure function of its recipe."""


class InvalidDocument(StorageError):
    """A record or manifest would not read back as what it says, so it is not committed."""


class UnsafeCache(StorageError):
    """Somebody else may write to the folder where a user's programs keep what they computed."""


class RepeatedId(StorageError):
    """Two objects of one output go by the same id."""
