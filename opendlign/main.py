"""The `opendlign` command: its verbs, and the one place where errors become a sentence and an exit code."""

import errno
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from pydantic import ValidationError

from opendlign.environment import prepare_environment

BAD_INPUT = 2
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

app = App(
    name="opendlign",
    help="3D shapes in, a benchmarked open-vocabulary 3D model out. Add --debug to any command to see a traceback.",
    result_action="return_value",
)
for verb, home in {
    "run": "run:run",
    "plan": "run:plan",
    "ingest": "stages:ingest",
    "project": "stages:project",
    "synthesize": "stages:synthesize",
    "train": "stages:train",
    "evaluate": "stages:evaluate",
    "classify": "shapes:classify",
    "index": "shapes:index",
    "search": "shapes:search",
    "dlign": "adapters:dlign",
    "import-official-weights": "adapters:import_official_weights",
    "export-official-weights": "adapters:export_official_weights",
    "import-official-data": "official_data:import_official_data",
    "export-official-data": "official_data:export_official_data",
    "inspect": "keep:inspect",
    "verify": "keep:verify",
    "gc": "keep:gc",
    "deploy": "service:deploy",
    "up": "service:up",
    "down": "service:down",
    "pretrain-mini": "pretrain:pretrain_mini",
}.items():
    app.command(f"opendlign.{home}", name=verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 when it worked, 2 on bad input, 1 when something else failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    prepare_environment(debug=debug)
    try:
        code = app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(str(error), BAD_INPUT)
    except KeyboardInterrupt:
        _fail("stopped; what was committed stays, and the same command continues", 130)
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:
        if debug:
            raise
        _fail(_sentence(error), BAD_INPUT if is_bad_input(error) else 1)
    sys.exit(code if isinstance(code, int) else 0)


def is_bad_input(error: BaseException) -> bool:
    """Whether the user can mend it: a name, a file, a value, a place without room or rights."""
    from opendlign_core.ingestion import UnreadableShape
    from storage.errors import StorageError
    from tasks.shards import TooManyRejected

    mendable = ValueError | OSError | StorageError | UnreadableShape | LookupError | TooManyRejected
    return _is_unanswered(error) or any(isinstance(cause, mendable) for cause in _causes(error))


def _causes(error: BaseException) -> tuple[BaseException | None, ...]:
    """Failed shards are as mendable as what made the first of them fail."""
    return (error, error.__cause__) if _is_ours(error) else (error,)


def _is_unanswered(error: BaseException) -> bool:
    """Whether Prefect's client found nobody at the address of its API; weights and buckets have other clients."""
    return type(error).__module__.startswith("httpx") and type(error).__name__.startswith("Connect")


def _is_ours(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] in ("tasks", "flows", "opendlign_core")


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if _is_unanswered(error):
        return f"no Prefect API answers ({text}); check PREFECT_API_URL or --api, or start one with `opendlign up`"
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}"
    if any(isinstance(cause, OSError) and cause.errno in NO_ROOM for cause in _causes(error)):
        return f"{text}; free some room, or point TMPDIR or the store elsewhere"
    known = is_bad_input(error) or _is_ours(error)
    return text if known else f"{type(error).__name__}: {text} (--debug shows where)"


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(f"error: {sentence}\n")
    sys.exit(code)
