"""`opendlign data preprocess-imagenet3d`, `data paint-imagenet3d` and `inspect --pictures` as users meet them."""

import csv
from pathlib import Path

import pytest

from opendlign.main import main
from opendlign_core.ingestion import IngestExecution, IngestRecipe, SourceSpec
from storage.stores import open_store
from tasks.ingest import INGEST
from tests.ingestion.posed.folders import annotated, put, write_folder
from tests.tasks.making import make


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(str(ended.value.code))


def test_photos_are_painted_cut_out_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    painted, crops, store = tmp_path / "painted", tmp_path / "crops", tmp_path / "store"
    assert (
        run("data", "paint-imagenet3d", str(painted), "--photos", "6", "--categories", "car,mug", "--cads", "1") == 0
    )
    size = ("--image-height", "64", "--image-width", "80", "--center-and-resize", "--target-distance", "20")
    wanted = ("--splits", "train", "--categories", "car", "--workers", "1")
    assert run("data", "preprocess-imagenet3d", str(painted), str(crops), *size, *wanted) == 0
    names = (crops / "lists/car_train/mesh01.txt").read_text().split("\n")
    assert len(names) >= 3
    assert all((crops / f"images/car_train/{name}.JPEG").is_file() for name in names)
    assert not (crops / "left_out.csv").exists()
    source = SourceSpec(adapter="imagenet3d", url=str(painted))
    made = make(INGEST, open_store(str(store)), IngestRecipe(source=source), execution=IngestExecution(workers=1))
    capsys.readouterr()
    assert run("inspect", made.folder, "--store", str(store), "--pictures", str(tmp_path / "sheets")) == 0
    assert [path.suffix for path in (tmp_path / "sheets").iterdir()] == [".jpg"]


def test_broken_objects_are_listed_with_their_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = write_folder(tmp_path / "raw", {"n1_1": [annotated(), annotated(px=9e6), annotated(ignore=1)]})
    out = tmp_path / "out"
    assert run("data", "preprocess-imagenet3d", str(raw), str(out), "--splits", "train", "--workers", "1") == 0
    printed = capsys.readouterr().out
    assert "n1_1_01 has its origin at 9e+06" in printed
    rows = list(csv.reader((out / "left_out.csv").read_text().splitlines()))
    assert [row[:3] for row in rows[1:]] == [["mug", "train", "n1_1_01"]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--target-distance", "0"), "--target-distance 0"),
        (("--workers", "0"), "--workers 0"),
        (("--image-height", "0"), "height"),
        (("--splits", "val"), "lists/mug_imagenet_val.txt is not there"),
        (("--splits", ","), "--splits names no split"),
        (("--splits", "test"), "name no photo"),
        (("--categories", "jug"), "no category jug"),
    ],
)
def test_what_cannot_be_preprocessed_is_told_in_a_sentence_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    raw, out = write_folder(tmp_path / "raw", {"n1_1": [annotated()]}), tmp_path / "out"
    put(raw, "lists/mug_imagenet_test.txt", b"\r\n\r\n")
    given = ("--splits", "train") if "--splits" not in words else ()
    assert run("data", "preprocess-imagenet3d", str(raw), str(out), *given, *words) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_places_that_are_in_use_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = write_folder(tmp_path / "raw", {"n1_1": [annotated()]})
    assert run("data", "preprocess-imagenet3d", str(raw), str(raw), "--splits", "train") == 2
    assert run("data", "preprocess-imagenet3d", str(tmp_path), str(tmp_path / "out2"), "--splits", "x") == 2
    assert run("data", "preprocess-imagenet3d", str(tmp_path / "nowhere"), str(tmp_path / "out")) == 2
    assert run("data", "paint-imagenet3d", str(raw)) == 2
    assert "is a file or not empty" in capsys.readouterr().err
