"""The `opendlign` command: the one place where errors become a sentence and an exit code."""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

from cyclopts import CycloptsError
from pydantic import ValidationError

from opendlign.ending import SENTENCE, Stop, own_process, stoppable
from opendlign.environment import prepare_environment
from opendlign.verbs import build_app
from opendlign_core.errors import BadInput
from storage.errors import StorageError
from tasks.errors import WorkFailed

BAD_INPUT = 2
UNAUTHORIZED = 401
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 when it worked, 2 on bad input, 1 when something else failed.

    Where it was told to stop, 130 (Ctrl-C) or 143 (SIGTERM).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    prepare_environment(debug=debug)
    with own_process() if arguments is None else nullcontext(), stoppable() as stop:
        _run(words, debug, stop)


def _run(words: Sequence[str], debug: bool, stop: Stop) -> NoReturn:
    try:
        code = build_app()(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(str(error), BAD_INPUT)
    except KeyboardInterrupt:
        _fail(SENTENCE, stop.code)
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:
        if debug:
            raise
        if stop.told:  # libraries make other errors of an interruption
            _fail(SENTENCE, stop.code)
        _fail(_sentence(error), BAD_INPUT if is_bad_input(error) else 1)
    sys.exit(code if isinstance(code, int) else 0)


def is_bad_input(error: BaseException) -> bool:
    """Whether the user can mend it: a name, a file, a value, a place without room or rights."""
    mendable = BadInput | ValidationError | OSError | StorageError
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


def _sentence(error: BaseException) -> str:
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


def _fail(sentence: str, code: int) -> NoReturn:
    sys.stderr.write(f"error: {sentence}\n")
    sys.exit(code)
