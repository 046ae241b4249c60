"""The program of a parser process: reads requests from a pipe, answers each, and dies alone when a file kills it."""

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from opendlign_core.ingestion.depth_folder import read_folder_object
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.errors import DoubtfulShape, ReadFault, UnreadableShape
from opendlign_core.ingestion.list_files import read_list
from opendlign_core.ingestion.parse import Parser
from opendlign_core.ingestion.parts import PartList
from opendlign_core.ingestion.readers import read_with_digest
from opendlign_core.ingestion.recipe import IngestRecipe
from opendlign_core.ingestion.wire import (
    encode_failure,
    encode_fault,
    encode_folder_object,
    encode_list,
    encode_object,
    encode_photos,
    encode_refusal,
    encode_scene,
    encode_shape,
)

OUT_OF_MEMORY = 77
"""Exit status of a process that reached its memory limit."""

_GRACE_SECONDS = 5.0

Request = dict[str, Any]


def main() -> None:
    """Serve the connection whose descriptor is the first argument until it closes."""
    connection = Connection(int(sys.argv[1]))
    settings = json.loads(connection.recv_bytes())
    answers = _answers(settings["recipe"])
    limit_resources(int(settings["memory_mib"]))
    _offer_to_the_oom_killer()
    connection.send_bytes(b"ready")
    with contextlib.suppress(EOFError):
        while True:
            request = json.loads(connection.recv_bytes())
            # The parent kills a process that overruns; the alarm does so when there is no parent left.
            signal.setitimer(signal.ITIMER_REAL, float(settings["seconds"]) + _GRACE_SECONDS)
            # Ends the process by SIGPROF: what a file needs does not depend on what else the machine does.
            signal.setitimer(signal.ITIMER_PROF, float(settings["cpu_seconds"]))
            reply = _answer(answers[request["kind"]], request)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send_bytes(reply)


def _answers(recipe: dict[str, Any] | None) -> dict[str, Callable[[Request], bytes]]:
    """What a parser process can be asked; objects only where it was given a recipe."""
    answers: dict[str, Callable[[Request], bytes]] = {
        "list": lambda request: encode_list(read_list(request["form"], Path(request["path"]))),
        "folder-object": lambda request: encode_folder_object(read_folder_object(Path(request["path"]))),
        "shape": lambda request: encode_shape(read_with_digest(Path(request["path"]))[0]),
    }
    if recipe is not None:
        parser = Parser(IngestRecipe.model_validate(recipe))
        answers["object"] = lambda request: _object(parser, request)
        answers["scene"] = lambda request: _scene(parser.recipe, request)
        answers["photo"] = lambda request: _photo(parser.recipe, request)
    return answers


def _object(parser: Parser, request: Request) -> bytes:
    entry = ObjectEntry.model_validate_json(request["entry"])
    listed = PartList(tuple(request["part_names"]), request["first_part"]) if request["part_names"] else None
    return encode_object(parser.parse(entry, Path(request["path"]) if request["path"] else None, listed))


def _scene(recipe: IngestRecipe, request: Request) -> bytes:
    from opendlign_core.ingestion.scenes.parse import parse_scene  # few sources hold any

    entry = ObjectEntry.model_validate_json(request["entry"])
    return encode_scene(parse_scene(entry, {key: Path(path) for key, path in request["paths"].items()}, recipe))


def _photo(recipe: IngestRecipe, request: Request) -> bytes:
    from opendlign_core.ingestion.posed.parse import parse_photo  # few sources hold any

    entry = ObjectEntry.model_validate_json(request["entry"])
    return encode_photos(parse_photo(entry, {key: Path(path) for key, path in request["paths"].items()}, recipe))


def _answer(answer: Callable[[Request], bytes], request: Request) -> bytes:
    try:
        return answer(request)
    except UnreadableShape as error:
        return encode_refusal(str(error), doubtful=isinstance(error, DoubtfulShape))
    except ReadFault as error:
        return encode_fault(str(error))
    except MemoryError:
        # A fresh process tells a file that is too large from one that met a fragmented heap.
        os._exit(OUT_OF_MEMORY)
    except Exception:
        return encode_failure(f"{request}\n{traceback.format_exc()}")


def limit_resources(memory_mib: int) -> None:
    """Bound what this process may still allocate and write; systems without a limit go unbounded."""
    ceiling = _address_space() + (memory_mib << 20)
    for kind, value in (
        (resource.RLIMIT_AS, ceiling),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 1 << 20),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def _offer_to_the_oom_killer() -> None:
    """A machine short of memory ends a parser, whose object is tried again, before anything else."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _address_space() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return 4 << 30  # generous where the system does not say: macOS maps several GiB into every process
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
