import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    ObjectEntry,
    RejectedObject,
    SourceSpec,
    ingest_entries,
)
from opendlign_core.ingestion.workers import ParserWorker
from tests.ingestion import samples

EntryMaker = Callable[..., ObjectEntry]
ONE = IngestExecution(workers=1, timeout_seconds=20)
TWO = IngestExecution(workers=2, timeout_seconds=20)


@pytest.fixture
def files(tmp_path: Path) -> DirectoryFiles:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.off").write_bytes(samples.off())
    (folder / "b.off").write_bytes(b"OFF\n1 0 0\nnan 0 0\n")
    (folder / "c.ply").write_bytes(samples.ply())
    (folder / "d.laz").write_bytes(samples.las(".laz"))
    (folder / "e.xyz").write_bytes(samples.table())
    (folder / "pack.h5").write_bytes(samples.h5(3))
    return DirectoryFiles(folder)


def test_outcomes_come_in_order_with_bad_samples_as_rows(
    files: DirectoryFiles, recipe: IngestRecipe, entry_of: EntryMaker
) -> None:
    names = ["a.off", "b.off", "c.ply", "absent.off", "e.xyz"] * 4
    entries = [entry_of(name, object_id=f"test/{number}") for number, name in enumerate(names)]
    outcomes = list(ingest_entries(entries, recipe, TWO, files))
    assert [outcome.entry for outcome in outcomes] == entries
    first, nan, painted, absent, cloud = outcomes[:5]
    assert isinstance(first, IngestedObject)
    assert first.points.shape == (64, 3)
    assert first.points.dtype == np.float32
    assert not first.padded
    assert isinstance(nan, RejectedObject)
    assert "NaN" in nan.reason
    assert isinstance(painted, IngestedObject)
    assert painted.colors is not None
    assert painted.colors.shape == (64, 3)
    assert isinstance(absent, RejectedObject)
    assert "does not exist" in absent.reason
    assert isinstance(cloud, IngestedObject)
    assert (cloud.padded, cloud.source_points) == (True, 6)


def test_the_same_recipe_gives_the_same_clouds_whatever_the_workers(
    files: DirectoryFiles, recipe: IngestRecipe, entry_of: EntryMaker
) -> None:
    entries = [entry_of("a.off", object_id=f"test/{number}") for number in range(6)]
    runs = []
    for execution, order in ((ONE, entries), (TWO, entries[::-1])):
        outcomes = list(ingest_entries(order, recipe, execution, files))
        clouds = {o.entry.object_id: o.points.tobytes() for o in outcomes if isinstance(o, IngestedObject)}
        runs.append(clouds)
    assert runs[0] == runs[1]
    assert len(set(runs[0].values())) == 6


def test_rows_of_a_pack_and_declared_axes(files: DirectoryFiles, recipe: IngestRecipe, entry_of: EntryMaker) -> None:
    entries = [entry_of("pack.h5", object_id=f"test/{row}", member=row, up_axis="z", unit="cm") for row in range(3)]
    for row, outcome in enumerate(ingest_entries(entries, recipe, ONE, files)):
        assert isinstance(outcome, IngestedObject)
        assert (outcome.up_axis, outcome.unit) == ("z", "cm")
        np.testing.assert_allclose(outcome.points[1], np.array([3, 0, 0]) * (row + 1))
        np.testing.assert_allclose(outcome.points[4], np.array([0, 0, -2]) * (row + 1))


@pytest.mark.parametrize("reduction", ["fps", "random"])
def test_larger_clouds_are_reduced_to_a_subset(tmp_path: Path, entry_of: EntryMaker, reduction: str) -> None:
    points = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    recipe = IngestRecipe.model_validate({"source": {"adapter": "folder"}, "points": 100, "reduction": reduction})
    (outcome,) = ingest_entries([entry_of("a.npy")], recipe, ONE, DirectoryFiles(tmp_path))
    assert isinstance(outcome, IngestedObject)
    kept = {tuple(row) for row in outcome.points.tolist()}
    assert len(kept) == 100
    assert kept <= {tuple(row) for row in points.tolist()}


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed its parser process (SIGSEGV)"),
        ("os.abort()", "killed its parser process (SIGABRT)"),
        ("os._exit(3)", "ended its parser process (exit status 3)"),
    ],
)
def test_a_file_that_kills_its_parser_costs_itself_alone(
    files: DirectoryFiles,
    recipe: IngestRecipe,
    entry_of: EntryMaker,
    broken_laz: Callable[[str], None],
    statements: str,
    reason: str,
) -> None:
    broken_laz(statements)
    execution = IngestExecution(workers=2, timeout_seconds=3)
    entries = [entry_of(name, object_id=f"test/{i}") for i, name in enumerate(["a.off", "d.laz", "c.ply", "e.xyz"])]
    outcomes = list(ingest_entries(entries, recipe, execution, files))
    rejected = [outcome for outcome in outcomes if isinstance(outcome, RejectedObject)]
    assert [(item.entry.uri, item.reason) for item in rejected] == [("d.laz", reason)]


def test_a_parser_killed_from_outside_costs_nothing(
    files: DirectoryFiles, recipe: IngestRecipe, entry_of: EntryMaker
) -> None:
    worker = ParserWorker(recipe, ONE)
    path = files.local("a.off")
    before = worker.parse(entry_of("a.off"), {"a.off": path})
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    time.sleep(0.1)
    after = worker.parse(entry_of("a.off"), {"a.off": path})
    worker.close()
    assert isinstance(before, IngestedObject)
    assert isinstance(after, IngestedObject)
    np.testing.assert_array_equal(before.points, after.points)


def test_entries_are_taken_as_they_are_needed(
    files: DirectoryFiles, recipe: IngestRecipe, entry_of: EntryMaker
) -> None:
    taken = itertools.count()
    seen = -1

    def endless() -> Iterator[ObjectEntry]:
        nonlocal seen
        while True:
            seen = next(taken)
            yield entry_of("a.off", object_id=f"test/{seen}")

    outcomes = ingest_entries(endless(), recipe, ONE, files)
    for _ in range(10):
        assert isinstance(next(outcomes), IngestedObject)
    outcomes.close()  # type: ignore[attr-defined]
    assert seen < 20


def children() -> set[str]:
    lists = Path("/proc/self/task").glob("*/children")
    return {pid for item in lists for pid in item.read_text().split()}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are listed through /proc")
def test_leaving_early_leaves_no_process(files: DirectoryFiles, recipe: IngestRecipe, entry_of: EntryMaker) -> None:
    before = children()
    outcomes = ingest_entries([entry_of("a.off")] * 50, recipe, TWO, files)
    next(outcomes)
    assert children() - before
    outcomes.close()  # type: ignore[attr-defined]
    assert not children() - before


def test_faults_of_the_program_are_not_rejections(recipe: IngestRecipe, entry_of: EntryMaker) -> None:
    with pytest.raises(RuntimeError, match="failed unexpectedly"):
        list(ingest_entries([entry_of("procedural:not-a-number")], recipe, ONE))


def test_a_failing_source_is_not_a_rejection(recipe: IngestRecipe, entry_of: EntryMaker, tmp_path: Path) -> None:
    class Unreachable(DirectoryFiles):
        def local(self, key: str) -> Path:
            raise ConnectionError("the source is gone")

    with pytest.raises(ConnectionError):
        list(ingest_entries([entry_of("a.off")], recipe, ONE, Unreachable(tmp_path)))


def test_credentials_do_not_reach_the_parsers(
    files: DirectoryFiles,
    recipe: IngestRecipe,
    entry_of: EntryMaker,
    broken_laz: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    broken_laz("raise ValueError(sorted(name for name in os.environ if 'AWS' in name))")
    (outcome,) = ingest_entries([entry_of("d.laz")], recipe, ONE, files)
    assert isinstance(outcome, RejectedObject)
    assert "ValueError: []" in outcome.reason


def test_options_are_frozen_sorted_and_dumped_as_a_mapping() -> None:
    first = SourceSpec.model_validate({"adapter": "csv", "options": {"b": 1, "a": "x"}})
    again = SourceSpec.model_validate({"adapter": "csv", "options": {"a": "x", "b": "1"}})
    assert first == again
    assert hash(first) == hash(again)
    assert first.model_dump()["options"] == {"a": "x", "b": "1"}
    assert SourceSpec.model_validate_json(first.model_dump_json()) == first
    assert (first.option("b", ""), first.option("c", "none")) == ("1", "none")
