"""Data in the published layout comes in, goes out the same, and can be trained on; also from the console."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opendlign.main import main
from opendlign_core.ingestion import FolderObject, read_folder_object, write_folder_object
from opendlign_core.ingestion.depth_folder import depth_files
from opendlign_core.samples import Painted, decode_depth
from storage.inventory import outputs
from storage.output import find_manifest
from storage.reader import SampleReader
from storage.stores import open_store
from storage.upkeep import verify_store
from tasks.depth_folder import DepthFolder, export_data, import_data
from tasks.listing import SourceChanged
from tests.synthesis.scenes import scene

DEPTH = np.stack([scene(number, 32) for number in range(3)])
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def training(tmp_path: Path) -> Path:
    folder = tmp_path / "shapenet"
    for number in range(4):
        write_folder_object(folder, f"obj{number}", np.roll(DEPTH, number, 0), list(np.roll(IMAGES, number, 0)))
    return folder


def objects(folder: Path) -> list[FolderObject]:
    return [read_folder_object(path) for path in depth_files(folder)]


def same(one: Path, other: Path, prefix: str) -> bool:
    pairs = list(zip(objects(one), objects(other), strict=True))
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
        sample = next(iter(reader))
    assert sorted(sample.fields) == ["00.png", "01.png", "02.png", "depth.npy", "json"]
    first = Painted.read(sample.key, sample.fields)
    assert first.meta.object_id == "shapenet/obj0"
    assert np.abs(first.maps() - DEPTH).max() < 1e-5
    assert np.array_equal(first.picture(1), IMAGES[1])
    assert export_data(store, manifest, tmp_path / "back") == 4
    assert same(training, tmp_path / "back", "shapenet")
    assert verify_store(store).sound
    assert import_data(store, training) == manifest


def test_an_evaluation_set_becomes_labelled_depth_maps(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    write_folder_object(tmp_path / "modelnet", "a", DEPTH, label="night stand")
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


def spoil(training: Path, kind: str) -> None:
    depth, images = training / "depth_map" / "obj2_dm.npy", training / "depth_align_img" / "obj2"
    if kind == "no PNG":
        (images / "1.png").write_bytes(b"this is no picture")
    elif kind == "truncated PNG":
        (images / "1.png").write_bytes((images / "1.png").read_bytes()[:200])
    elif kind == "vast PNG":
        Image.new("1", (12_000, 12_000)).save(images / "1.png")
    elif kind == "empty npy":
        depth.write_bytes(b"")
    else:
        np.save(depth, np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("kind", ["no PNG", "truncated PNG", "vast PNG", "empty npy", "pickle"])
def test_a_spoilt_file_costs_its_object_alone(training: Path, tmp_path: Path, kind: str) -> None:
    spoil(training, kind)
    manifest = import_data(open_store(tmp_path / "store"), training)
    assert (manifest.samples, manifest.rejected) == (3, 1)
    (rejected,) = manifest.shards[0].rejected
    assert rejected.id == "obj2_dm.npy"


def odd_name(training: Path, outside: Path) -> None:
    (training / "depth_map/obj2_dm.npy").rename(training / "depth_map" / os.fsdecode(b"caf\xe9_dm.npy"))


def depth_outside(training: Path, outside: Path) -> None:
    (training / "depth_map/obj2_dm.npy").rename(outside / "secret.npy")
    (training / "depth_map/obj2_dm.npy").symlink_to(outside / "secret.npy")


def images_outside(training: Path, outside: Path) -> None:
    (training / "depth_align_img/obj2").rename(outside / "obj2")
    (training / "depth_align_img/obj2").symlink_to(outside / "obj2")


def image_outside(training: Path, outside: Path) -> None:
    (training / "depth_align_img/obj2/1.png").rename(outside / "1.png")
    (training / "depth_align_img/obj2/1.png").symlink_to(outside / "1.png")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (odd_name, "UTF-8"),
        (depth_outside, "leaves the source"),
        (images_outside, "leaves the source"),
        (image_outside, "leaves the source"),
    ],
)
def test_odd_names_and_links_out_of_the_folder_cost_their_object_alone(
    training: Path, tmp_path: Path, change: Callable[[Path, Path], None], reason: str
) -> None:
    outside = tmp_path / "private"
    outside.mkdir()
    change(training, outside)
    manifest = import_data(open_store(tmp_path / "store"), training, max_rejected_share=1)
    assert (manifest.samples, manifest.rejected) == (3, 1)
    assert reason in manifest.shards[0].rejected[0].reason


def test_a_file_that_changes_while_the_folder_is_imported_is_noticed(training: Path) -> None:
    data = DepthFolder(training)
    data.digest()
    (training / "depth_align_img/obj2/1.png").write_bytes(b"another picture")
    data.check(training / "depth_map/obj1_dm.npy")
    with pytest.raises(SourceChanged, match=r"obj2/1\.png has changed"):
        data.check(training / "depth_map/obj2_dm.npy")


def test_depth_maps_of_bytes_are_fractions_of_255(tmp_path: Path) -> None:
    (tmp_path / "bytes/depth_map").mkdir(parents=True)
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    np.save(tmp_path / "bytes/depth_map/x+mug_dm.npy", levels)
    store = open_store(tmp_path / "store")
    with SampleReader(store, import_data(store, tmp_path / "bytes", split="test")) as reader:
        depth = decode_depth(next(iter(reader)).fields["depth.npy"])
    assert np.abs(depth[0].reshape(-1) * 255 - np.arange(256)).max() < 0.01


def test_a_vast_folder_is_hashed_as_it_is_imported(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.contents.MOST_HASHED_BYTES", 100)
    store = open_store(tmp_path / "store")
    manifest = import_data(store, training)
    (note,) = manifest.shards[0].attachments
    found = json.loads(store.read(f"{manifest.folder}/{note.file}"))
    picture = training / "depth_align_img/obj0/0.png"
    assert found["depth_align_img/obj0/0.png"] == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert len(found) == 4 * 4


@pytest.mark.parametrize("place", ["depth_map/obj1_dm.npy", "depth_align_img/obj1/0.png"])
def test_replaced_contents_of_the_same_size_are_imported_anew(training: Path, tmp_path: Path, place: str) -> None:
    store, path = open_store(tmp_path / "store"), training / place
    before, stat = import_data(store, training), path.stat()
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert import_data(store, training).fingerprint != before.fingerprint


def console(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def test_the_console_brings_data_in_and_out(
    training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "store")
    assert console("data", "import", str(training), "--store", place, "--name", "mine") == 0
    assert "holds 4 objects" in capsys.readouterr().out
    store = open_store(place)
    (output,) = outputs(store)
    assert find_manifest(store, "synthesize", output.fingerprint) is not None
    words = ["data", "export", str(tmp_path / "out"), "--store", place]
    assert console(*words, "--output", f"synthesize/{output.fingerprint}") == 0
    assert same(training, tmp_path / "out", "mine")
    assert console(*words, "--output", "train/x") == 2
    assert console("data", "import", str(tmp_path), "--store", place) == 2
    assert "not a data set in the layout that OpenDlign publishes" in capsys.readouterr().err
