"""Shared by the ingestion tests: recipes, entries, and a parser whose LAZ library misbehaves on demand."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opendlign_core.ingestion import IngestRecipe, ObjectEntry, SourceSpec

LIBRARY = """
import errno, os, signal, sys, time

def first_time():
    try:
        os.close(os.open({folder!r} + "/called", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True

def read_well(stream):
    sys.path.remove({folder!r})
    del sys.modules["laspy"]
    import laspy
    return laspy.read(stream)

def read(stream):
{body}
"""


@pytest.fixture
def recipe() -> IngestRecipe:
    return IngestRecipe(source=SourceSpec(adapter="folder"), points=64)


@pytest.fixture
def entry_of() -> Callable[..., ObjectEntry]:
    def make(uri: str, **fields: object) -> ObjectEntry:
        return ObjectEntry.model_validate(
            {"object_id": f"test/{uri}", "source": "test", "split": "train", "uri": uri, **fields}
        )

    return make


@pytest.fixture
def broken_laz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives parser processes a LAZ library whose `read` runs the given statements.

    Among them may be `first_time()`, true for one call alone in whichever process, and `return read_well(stream)`.
    """

    def install(statements: str) -> None:
        folder = tmp_path / "library"
        folder.mkdir()
        body = "\n".join(f"    {line}" for line in statements.split("\n"))
        (folder / "laspy.py").write_text(LIBRARY.format(body=body, folder=str(folder)))
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])

    return install
