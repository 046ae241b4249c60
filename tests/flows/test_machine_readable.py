"""What programs read: files of answers, JSON of a store, and lines that are not cut for a screen."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opendlign.main import main
from storage.output import load_manifest
from storage.stores import open_store
from tests.cubes import CUBE
from tests.flows.planning import fingerprints
from tests.servers import ROOT

pytestmark = [pytest.mark.server, pytest.mark.timeout(600), pytest.mark.xdist_group("flows")]

LABELS = ("--labels", "chair,table,mug")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cubes, one of them deeper down, and a file that is none."""
    (tmp_path / "deeper").mkdir()
    (tmp_path / "b.off").write_text(CUBE)
    (tmp_path / "deeper" / "c.OFF").write_text(CUBE.replace("1 1 1\n", "1 1 3\n"))
    (tmp_path / "a.off").write_text("OFF\n")
    (tmp_path / "notes.md").write_text("no shape")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    printed = capsys.readouterr()
    assert ended.value.code == code, printed.err
    return printed.out + printed.err


def asked(store: Path, preset: str) -> tuple[str, ...]:
    return ("--preset", preset, "--store", str(store))


def test_a_folder_is_classified_and_what_is_broken_is_told(
    folder: Path, finished_store: Path, tiny_preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "found.csv"
    printed = told(
        capsys, "classify", str(folder), *LABELS, "--out", str(out), *asked(finished_store, tiny_preset), code=2
    )
    assert f"left out: {folder}/a.off: has no counts after OFF" in printed
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"{folder}/b.off"] * 3 + [f"{folder}/deeper/c.OFF"] * 3
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2
    shares = [float(row["probability"]) for row in rows[:3]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-5)


def test_json_holds_every_probability(
    folder: Path, finished_store: Path, tiny_preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "found.json"
    told(capsys, "classify", str(folder / "b.off"), *LABELS, "--out", str(out), *asked(finished_store, tiny_preset))
    (found,) = json.loads(out.read_text())
    assert found["file"] == str(folder / "b.off") and set(found["labels"]) == {"chair", "table", "mug"}
    assert found["label"] == max(found["labels"], key=found["labels"].get)


def test_when_nothing_can_be_read_nothing_is_written(
    folder: Path, finished_store: Path, tiny_preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "found.csv"
    preset = asked(finished_store, tiny_preset)
    printed = told(capsys, "classify", str(folder / "a.off"), *LABELS, "--out", str(out), *preset, code=2)
    assert "error: " in printed and not out.exists()


def test_an_unknown_kind_of_file_is_refused_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = told(capsys, "classify", str(folder), *LABELS, "--out", "found.txt", "--store", str(folder), code=2)
    assert "--out found.txt: name a file that ends in .csv or .json" in printed
    (folder / "empty").mkdir()
    assert f"no shapes in {folder}/empty" in told(capsys, "classify", str(folder / "empty"), *LABELS, code=2)


def inspected(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(told(capsys, "inspect", *words, "--json"))


def test_a_store_is_told_as_json(finished_store: Path, tiny_preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        one["stage"]: one for one in inspected(capsys, "--store", str(finished_store)) if one["stage"] != "tokens"
    }
    assert {stage: one["fingerprint"] for stage, one in found.items()} == fingerprints(finished_store, tiny_preset)
    for one in found.values():
        assert one["sources"] == ["procedural"] and one["presets"] == [tiny_preset] and one["finished"] > "2020"
    assert found["ingest"]["samples"] == 40


def test_an_output_is_told_whole(finished_store: Path, tiny_preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    fingerprint = fingerprints(finished_store, tiny_preset)["train"]
    found = inspected(capsys, f"train/{fingerprint[:6]}", "--store", str(finished_store))
    manifest = load_manifest(open_store(finished_store), "train", fingerprint)
    assert (found["recipe"], found["upstream"]) == (manifest.recipe, manifest.upstream)
    assert [stored["sha256"] for stored in found["files"]] == [stored.sha256 for stored in manifest.every_file()]


def test_a_pipe_gets_whole_names(finished_store: Path, tiny_preset: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "opendlign", "inspect", "--store", str(finished_store)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    for stage, fingerprint in fingerprints(finished_store, tiny_preset).items():
        assert f"{stage}/{fingerprint}" in done.stdout
