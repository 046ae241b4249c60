"""Time and memory: no object is lost to them, unless the recipe itself sets the limit."""

from collections.abc import Callable
from pathlib import Path

import pytest

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    ObjectEntry,
    RejectedObject,
    ingest_shapes,
)
from tests.ingestion import samples

EntryMaker = Callable[..., ObjectEntry]
Outcome = IngestedObject | RejectedObject


@pytest.fixture
def files(tmp_path: Path) -> DirectoryFiles:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.off").write_bytes(samples.off())
    (folder / "d.laz").write_bytes(samples.las(".laz"))
    return DirectoryFiles(folder)


@pytest.fixture
def outcomes(
    files: DirectoryFiles, recipe: IngestRecipe, entry_of: EntryMaker, broken_laz: Callable[[str], None]
) -> Callable[..., list[Outcome]]:
    def run(statements: str, execution: IngestExecution, **limits: object) -> list[Outcome]:
        broken_laz(statements)
        entries = [entry_of(name, object_id=f"test/{number}") for number, name in enumerate(["d.laz", "a.off"])]
        limited = IngestRecipe.model_validate({**recipe.model_dump(), **limits})
        return list(ingest_shapes(entries, limited, execution, files))

    return run


SHORT = IngestExecution(workers=1, timeout_seconds=1.5)
NARROW = IngestExecution(workers=1, memory_mib=256)


@pytest.mark.parametrize(
    ("hindrance", "execution"),
    [
        ("time.sleep(60)", SHORT),
        ("bytearray(1 << 34)", NARROW),
        ("os.kill(os.getpid(), signal.SIGKILL)", SHORT),
        ("os.abort()", SHORT),
        ("raise OSError('cannot allocate memory')", SHORT),
    ],
)
def test_what_failed_for_want_of_time_or_memory_is_tried_again(
    outcomes: Callable[..., list[Outcome]], hindrance: str, execution: IngestExecution
) -> None:
    found = outcomes(f"if first_time(): {hindrance}\nreturn read_well(stream)", execution)
    assert [type(outcome) for outcome in found] == [IngestedObject, IngestedObject]


def test_a_second_try_has_more_memory(outcomes: Callable[..., list[Outcome]]) -> None:
    found = outcomes("bytearray(500 << 20)\nreturn read_well(stream)", NARROW)
    assert isinstance(found[0], IngestedObject)


@pytest.mark.parametrize(
    ("hindrance", "execution", "sentence"),
    [
        ("time.sleep(60)", IngestExecution(workers=1, timeout_seconds=0.2), r"longer than 1\.8 s.*timeout_seconds"),
        ("bytearray(1 << 40)", IngestExecution(workers=1, memory_mib=256), "more than 2304 MiB.*memory_mib"),
        ("os.kill(os.getpid(), signal.SIGKILL)", SHORT, "SIGKILL.*memory_mib"),
        ("os.kill(os.getpid(), signal.SIGALRM)", SHORT, "SIGALRM"),
        ("os.kill(os.getpid(), signal.SIGTERM)", SHORT, "SIGTERM"),
        ("raise OSError(errno.EIO, os.strerror(errno.EIO))", SHORT, "Input/output error"),
        ("raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))", SHORT, "Stale file handle"),
    ],
)
def test_after_the_last_try_the_run_fails_rather_than_leave_the_object_out(
    outcomes: Callable[..., list[Outcome]], hindrance: str, execution: IngestExecution, sentence: str
) -> None:
    with pytest.raises(BadInput, match=rf"test/0 \(d\.laz\).*{sentence}"):
        outcomes(hindrance, execution)


@pytest.mark.parametrize(
    ("hindrance", "limit", "reason"),
    [
        ("while True: pass", {"parse_seconds": 1}, "needs more than 1 s of processor time"),
        ("bytearray(1 << 34)", {"parse_memory_mib": 300}, "needs more than 300 MiB of memory"),
    ],
)
def test_a_limit_of_the_recipe_rejects(
    outcomes: Callable[..., list[Outcome]], hindrance: str, limit: dict[str, float], reason: str
) -> None:
    slow, good = outcomes(hindrance, IngestExecution(workers=1), **limit)
    assert isinstance(slow, RejectedObject)
    assert reason in slow.reason
    assert isinstance(good, IngestedObject)


def test_a_limit_of_the_recipe_is_reached_however_little_the_first_try_gets(
    outcomes: Callable[..., list[Outcome]],
) -> None:
    found = outcomes("bytearray(500 << 20)\nreturn read_well(stream)", NARROW, parse_memory_mib=900)
    assert isinstance(found[0], IngestedObject)


def test_unset_limits_leave_a_recipe_what_it_was(recipe: IngestRecipe) -> None:
    from storage.fingerprint import canonical

    assert not {"parse_seconds", "parse_memory_mib"} & set(canonical(recipe))
    assert canonical(recipe.model_copy(update={"parse_seconds": 30.0}))["parse_seconds"] == 30
