"""Whether an S3 server lets the first of two puts win, which the commit protocol rests on."""

import uuid
from collections.abc import Callable

from storage.errors import StoreUnavailable, UnsuitableStore
from storage.s3_client import error_code

# Tells a later process that somebody asked this server whether it refuses a second put; never listed.
PROBE = ".first-wins"

# Stores of this process whose server is known to refuse, by endpoint and URL.
_proven: set[tuple[str | None, str]] = set()


def require_first_wins(endpoint: str | None, url: str, create: Callable[[str, bytes], bool]) -> None:
    """Put twice, expecting a refusal, once per store and process; raises `UnsuitableStore` where there is none.

    `create` puts an object unless there is one and tells whether it did.
    """
    if (endpoint, url) in _proven:
        return
    try:
        # Where the first one is refused, an earlier process has asked. Each has its own text, or a repeated attempt
        # would take the other's for its own.
        overwritten = all(create(PROBE, uuid.uuid4().hex.encode()) for _ in range(2))
    except StoreUnavailable as error:
        if error.__cause__ is None or error_code(error.__cause__) != "NotImplemented":
            raise
        raise _unsuitable(url, "does not know") from error
    if overwritten:
        raise _unsuitable(url, "ignores")
    _proven.add((endpoint, url))


def _unsuitable(url: str, fault: str) -> UnsuitableStore:
    return UnsuitableStore(
        f"{url}: this server {fault} If-None-Match, so two workers could overwrite each other's records; "
        "update it, or use another server or a folder"
    )
