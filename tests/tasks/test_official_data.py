"""Data in the official layout comes in, goes out the same, and can be trained on; also from the console."""

from pathlib import Path

import numpy as np
import pytest

from opendlign.main import main
from opendlign_core.samples import decode_depth, decode_image
from opendlign_core.synthesis import export_official, read_official
from storage.inventory import outputs
from storage.output import find_manifest
from storage.reader import SampleReader
from storage.stores import open_store
from storage.upkeep import verify_store
from tasks.official_data import export_data, import_data
from tests.synthesis.scenes import scene

DEPTH = np.stack([scene(number, 32) for number in range(3)])
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def training(tmp_path: Path) -> Path:
    folder = tmp_path / "shapenet"
    for number in range(4):
        export_official(folder, f"obj{number}", np.roll(DEPTH, number, 0), list(np.roll(IMAGES, number, 0)))
    return folder


def same(one: Path, other: Path, prefix: str) -> bool:
    pairs = list(zip(read_official(one), read_official(other), strict=True))
    return all(
        f"{prefix}-{a.name}" == b.name
        and np.abs(a.depth - b.depth).max() < 1e-5
        and a.images is not None
        and b.images is not None
        and np.array_equal(a.images, b.images)
        for a, b in pairs
    )


def test_a_training_set_becomes_aligned_shards_and_comes_back(training: Path, tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    manifest = import_data(store, training)
    assert (manifest.stage, manifest.samples, manifest.summary["splits"]) == ("synthesize", 4, {"train": 4})
    with SampleReader(store, manifest) as reader:
        first = next(iter(reader))
    assert sorted(first.fields) == ["00.png", "01.png", "02.png", "depth.npy", "json"]
    assert first.json()["object_id"] == "shapenet/obj0"
    assert np.abs(decode_depth(first.fields["depth.npy"]) - DEPTH).max() < 1e-5
    assert np.array_equal(decode_image(first.fields["01.png"]), IMAGES[1])
    assert export_data(store, manifest, tmp_path / "back") == 4
    assert same(training, tmp_path / "back", "shapenet")
    assert verify_store(store).sound
    assert import_data(store, training) == manifest


def test_an_evaluation_set_becomes_labelled_depth_maps(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    export_official(tmp_path / "modelnet", "a", DEPTH, label="night stand")
    manifest = import_data(store, tmp_path / "modelnet", split="test")
    assert (manifest.stage, manifest.summary["labels"]) == ("project", {"night stand": 1})
    export_data(store, manifest, tmp_path / "back")
    assert (tmp_path / "back" / "depth_map" / "modelnet-a+night_stand_dm.npy").is_file()


def test_a_file_that_does_not_fit_costs_its_object_alone(training: Path, tmp_path: Path) -> None:
    (training / "depth_align_img" / "obj2" / "1.png").unlink()
    manifest = import_data(open_store(tmp_path / "store"), training)
    assert manifest.samples == 3
    (rejected,) = manifest.shards[0].rejected
    assert rejected.id == "obj2_dm.npy"
    assert "no image for view 1" in rejected.reason


def console(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def test_the_console_brings_data_in_and_out(
    training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "store")
    assert console("import-official-data", str(training), "--store", place, "--name", "mine") == 0
    assert "holds 4 objects" in capsys.readouterr().out
    store = open_store(place)
    (output,) = outputs(store)
    assert find_manifest(store, "synthesize", output.fingerprint) is not None
    words = ["export-official-data", str(tmp_path / "out"), "--store", place]
    assert console(*words, "--output", f"synthesize/{output.fingerprint}") == 0
    assert same(training, tmp_path / "out", "mine")
    assert console(*words, "--output", "train/x") == 2
    assert console("import-official-data", str(tmp_path), "--store", place) == 2
    assert "not a data set in the official layout" in capsys.readouterr().err
