"""The `opendlign` command: the one place where errors become a sentence and an exit code.

What takes time to import is imported once the command can be told to stop.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from opendlign.ending import SENTENCE, Stop, own_process, stoppable
from opendlign.environment import prepare_environment

BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 when it worked, 2 on bad input, 1 when something else failed.

    Where it was told to stop, 130 (Ctrl-C) or 143 (SIGTERM).
    """
    with own_process() if arguments is None else nullcontext(), stoppable() as stop:
        words = list(sys.argv[1:] if arguments is None else arguments)
        debug = "--debug" in words
        prepare_environment(debug=debug)
        try:
            code = _run([word for word in words if word != "--debug"], debug, stop)
        except KeyboardInterrupt:
            code = _said(SENTENCE, stop.code)
        sys.exit(code)


def _run(words: Sequence[str], debug: bool, stop: Stop) -> int:
    try:
        from opendlign.verbs import build_app

        code = build_app()(words, exit_on_error=False, print_error=False)
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:
        if debug:
            raise
        if stop.told:  # libraries make other errors of an interruption
            raise KeyboardInterrupt from error
        return _failed(error)
    return code if isinstance(code, int) else 0


def _failed(error: Exception) -> int:
    from opendlign.failures import is_bad_input, sentence

    return _said(sentence(error), BAD_INPUT if is_bad_input(error) else 1)


def _said(sentence: str, code: int) -> int:
    sys.stderr.write(f"error: {sentence}\n")
    return code
