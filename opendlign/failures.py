"""What went wrong, in a sentence, and whether the user can mend it."""

import errno
import sys
from typing import Any

from cyclopts import CycloptsError
from pydantic import ValidationError

from opendlign_core.errors import BadInput
from storage.errors import StorageError
from tasks.errors import WorkFailed

UNAUTHORIZED = 401
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_bad_input(error: BaseException) -> bool:
    """Whether the user can mend it: a name, a file, a value, a place without room or rights."""
    mendable = BadInput | CycloptsError | ValidationError | OSError | StorageError
    known = isinstance(error, mendable) or _failed_on(error, mendable)
    return known or _is_unanswered(error) or _is_refused(error)


def _failed_on(error: BaseException, mendable: Any) -> bool:
    """Failed shards are as mendable as what made the first of them fail."""
    return isinstance(error, WorkFailed) and isinstance(error.__cause__, mendable)


def _is_unanswered(error: BaseException) -> bool:
    """Whether Prefect's client found nobody at the address of its API; weights and buckets have other clients."""
    httpx = sys.modules.get("httpx")
    return httpx is not None and isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))


def _is_refused(error: BaseException) -> bool:
    """Whether the server of Prefect's API asked for a password that this client did not give."""
    prefect = sys.modules.get("prefect.exceptions")
    if prefect is None or not isinstance(error, prefect.PrefectHTTPStatusError):
        return False
    return bool(error.response.status_code == UNAUTHORIZED)


def sentence(error: BaseException) -> str:
    """The error in one line, with what can be done about it where that is known."""
    if isinstance(error, CycloptsError):
        return str(error)
    text = " ".join(str(error).split()) or type(error).__name__
    if _is_unanswered(error):
        return f"no Prefect API answers ({text}); check PREFECT_API_URL or --api, or start one with `opendlign up`"
    if _is_refused(error):
        return "the Prefect server asks for a password: set PREFECT_API_AUTH_STRING to what it was started with"
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}"
    if any(isinstance(cause, OSError) and cause.errno in NO_ROOM for cause in (error, error.__cause__)):
        return f"{text}; free some room, or point TMPDIR or the store elsewhere"
    known = is_bad_input(error) or isinstance(error, WorkFailed)
    return text if known else f"{type(error).__name__}: {text} (--debug shows where)"
