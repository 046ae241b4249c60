"""The `opendlign` command: its verbs, and the one place where errors become a sentence and an exit code."""

import errno
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cyclopts import App, CycloptsError, Group
from pydantic import ValidationError

from opendlign.environment import prepare_environment
from opendlign.stages import verb_of
from opendlign_core.errors import BadInput
from storage.errors import StorageError
from tasks.errors import WorkFailed
from tasks.registry import STAGES

BAD_INPUT = 2
UNAUTHORIZED = 401
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Verb:
    """A command that is imported when it is asked for; its help is not, so that `--help` is quick."""

    name: str
    home: str
    """Module and function, such as `run:run`."""
    about: str


DAILY = (
    Verb("run", "run:run", "Bring every stage of a preset up to date and show the benchmark."),
    Verb("plan", "run:plan", "Say what `run` would do, stage by stage, and why."),
    Verb("classify", "shapes:classify", "Name shapes, any cloud or mesh, against any labels."),
    Verb("search", "shapes:search", "Find shapes by words, picture or shape."),
    Verb("index", "shapes:index", "Embed all objects of a model's source, for `search`."),
    Verb("compare", "compare:compare", "Hold one evaluation against another, object by object."),
    Verb("urls", "urls:urls", "Print the URLs of a finished output's shards, for other programs."),
    Verb("pretrain-mini", "pretrain:pretrain_mini", "Train the small CLIP of the mini preset from nothing."),
)
OWN_VERBS = {"evaluate": "judge:evaluate", "dlign": "dlign:dlign"}
"""Stages whose verb takes more than the others'."""

STORE = (
    Verb("verify", "keep:verify", "Re-hash every committed file; list damage and orphans."),
    Verb("gc", "keep:gc", "List what no kept output needs; with --delete, remove it."),
    Verb("inspect", "keep:inspect", "List a store's outputs, or show one of them."),
)
SERVICE = (
    Verb("up", "service:up", "Start a Prefect server and workers on this machine and deploy everything."),
    Verb("down", "service:down", "Stop what `up` started."),
    Verb("deploy", "service:deploy", "Create or update pools, queues, limits and all deployments."),
)
WEIGHTS = (
    Verb("import", "weights:import_weights", "Bring a published .pth file into the store as a trained model."),
    Verb("export", "weights:export_weights", "Write a trained model as a .pth file that the published code loads."),
)
DATA = (
    Verb("import", "data:import_data", "Bring depth maps and images in the published layout into the store."),
    Verb("export", "data:export_data", "Write depth maps and images as files in the published layout."),
)
GROUPS = {
    "store": ("Care of a store.", STORE),
    "service": ("The pipeline as a service: server, workers, deployments.", SERVICE),
    "weights": ("Trained models from and for other programs.", WEIGHTS),
    "data": ("Data sets from and for other programs.", DATA),
}


def build_app() -> App:
    """The command with all its verbs: the stages', the daily ones, and groups for the rest."""
    app = App(
        name="opendlign",
        help="3D shapes in, a benchmarked open-vocabulary 3D model out. --debug makes any command show tracebacks.",
        version=_version,
        result_action="return_value",
        suppress_keyboard_interrupt=False,  # `main` has a sentence for it
    )
    _add(app, DAILY)
    stages, rest = Group("Stages", sort_key=1), Group("Groups", sort_key=2)
    for index, stage in enumerate(STAGES):
        if stage.name in OWN_VERBS:
            _add(app, [Verb(stage.name, OWN_VERBS[stage.name], stage.about)], group=stages, sort_key=index)
        else:
            app.command(verb_of(stage), name=stage.name, help=stage.about, group=stages, sort_key=index)
    for name, (about, verbs) in GROUPS.items():
        group = App(name=name, help=about, group=rest)
        _add(group, verbs)
        app.command(group)
    # These are typed often, and have been spelled so from the start.
    _add(app, (*STORE, *SERVICE), group=rest, show=False)
    return app


def _version() -> str:
    return f"opendlign {version('opendlign-pipeline')}"


def _add(app: App, verbs: Iterable[Verb], **options: Any) -> None:
    for verb in verbs:
        app.command(f"opendlign.{verb.home}", name=verb.name, help=verb.about, **options)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 when it worked, 2 on bad input, 1 when something else failed."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    prepare_environment(debug=debug)
    try:
        code = build_app()(words, exit_on_error=False, print_error=False)
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


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(f"error: {sentence}\n")
    sys.exit(code)
