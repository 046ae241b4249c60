"""The `opendlign` command: its verbs, and the one place where errors become a sentence and an exit code."""

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from opendlign.environment import prepare_environment

BAD_INPUT = 2

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

    return isinstance(error, ValueError | OSError | StorageError | UnreadableShape | LookupError)


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    known = is_bad_input(error) or type(error).__module__.split(".")[0] in ("tasks", "flows", "opendlign_core")
    return text if known else f"{type(error).__name__}: {text} (--debug shows where)"


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(f"error: {sentence}\n")
    sys.exit(code)
