"""Results that the guard refuses are told like any others, and are refused each time that they are asked for."""

import json
import shutil
from pathlib import Path

import pytest

from opendlign.main import main

pytestmark = [pytest.mark.server, pytest.mark.timeout(600), pytest.mark.xdist_group("flows")]


@pytest.fixture
def store(finished_store: Path, tmp_path: Path) -> Path:
    """A finished store whose results fell since they were accepted."""
    store = Path(shutil.copytree(finished_store, tmp_path / "store"))
    accepted = store / "accepted" / "tiny.json"
    verdict = json.loads(accepted.read_text())
    accepted.write_text(json.dumps({**verdict, "top1": dict.fromkeys(verdict["top1"], 1.0)}))
    return store


def run(store: Path, preset: str, *words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--preset", preset, "--store", str(store), *words])
    return ended.value.code


@pytest.mark.parametrize("finished", [True, False])
def test_refused_results_are_shown_with_their_report(
    store: Path, tiny_preset: str, finished: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for manifest in store.glob("evaluate/*/manifest.json"):
        if not finished:
            manifest.unlink()
    assert run(store, tiny_preset) == 1
    told = capsys.readouterr()
    assert "fell from 100.0, the best accepted" in told.err
    assert "Zero-shot accuracy, percent" in told.out
    report = next(line.removeprefix("Report: ") for line in told.out.splitlines() if line.startswith("Report: "))
    assert Path(report).is_file()
    assert "up to date" not in told.out


def test_they_are_accepted_by_saying_so_once(store: Path, tiny_preset: str) -> None:
    assert run(store, tiny_preset) == 1
    assert run(store, tiny_preset, "--set", "execution.evaluate.allowed_drop=1") == 0
    assert run(store, tiny_preset) == 0


def test_where_nothing_is_comparable_that_is_said(
    store: Path, tiny_preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted = store / "accepted" / "tiny.json"
    verdict = json.loads(accepted.read_text())
    accepted.write_text(json.dumps({"top1": {f"{row} of others": 1.0 for row in verdict["top1"]}}))
    said = "procedural: nothing to compare with, other objects or classes were accepted before"
    assert run(store, tiny_preset) == 0
    assert said in capsys.readouterr().out
    assert run(store, tiny_preset) == 0
    assert said not in capsys.readouterr().out
