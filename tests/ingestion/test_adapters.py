"""Adapters on miniature copies of each layout: what is listed, and that each entry leads to its own points."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from opendlign_core.ingestion import DirectoryFiles, ObjectEntry, SourceSpec, list_entries, read_shape
from opendlign_core.ingestion.adapters import ADAPTERS, WrongLayout

OFF = "OFF\n3 1 0\n0 0 0\n1 0 0\n0 {size} 0\n3 0 1 2\n"
OBJ = "v 0 0 0\nv 1 0 0\nv 0 {size} 0\nf 1 2 3\n"
PLY = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n"


class ListedFiles:
    """Files that are no local folder: every access goes through the protocol, as it does for S3."""

    def __init__(self, root: Path) -> None:
        self._inner = DirectoryFiles(root)

    def list(self, prefix: str = "") -> Iterator[str]:
        return self._inner.list(prefix)

    def read(self, key: str) -> bytes:
        return self._inner.read(key)

    def local(self, key: str) -> Path:
        return self._inner.local(key)


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def write_pack(path: Path, labels: list[int], **extra: np.ndarray) -> None:
    """An h5 pack whose cloud i has all points at x = i."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = np.zeros((len(labels), 8, 3), np.float32)
    points[..., 0] = np.arange(len(labels))[:, None]
    points[..., 1] = np.linspace(0, 1, 8)
    with h5py.File(path, "w") as pack:
        pack["data"] = points
        pack["label"] = np.array(labels, np.uint8)[:, None]
        for name, values in extra.items():
            pack[name] = values


def entries(adapter: str, root: Path, **fields: Any) -> list[ObjectEntry]:
    source = SourceSpec(adapter=adapter, url=str(root), **fields)
    return list(list_entries(source, ListedFiles(root)))


def short(found: list[ObjectEntry]) -> list[tuple[str, str, str]]:
    return [(entry.object_id.partition("/")[2], entry.split, entry.label) for entry in found]


def points_of(root: Path, entry: ObjectEntry) -> np.ndarray:
    shape = read_shape(DirectoryFiles(root).local(entry.uri), entry.member)
    return np.asarray(getattr(shape, "points", None) if hasattr(shape, "points") else shape.vertices)


def test_modelnet40_meshes(tmp_path: Path) -> None:
    write(tmp_path / "ModelNet40/night_stand/train/night_stand_0001.off", OFF.format(size=1))
    write(tmp_path / "ModelNet40/night_stand/test/night_stand_0201.off", OFF.format(size=2))
    write(tmp_path / "ModelNet40/airplane/test/airplane_0627.off", OFF.format(size=3))
    found = entries("modelnet40", tmp_path)
    assert short(found) == [
        ("airplane_0627", "test", "airplane"),
        ("night_stand_0201", "test", "night stand"),
        ("night_stand_0001", "train", "night stand"),
    ]
    assert found[0].caption == "an airplane"
    assert found[0].up_axis == "z"
    assert "research" in found[0].licence
    assert points_of(tmp_path, found[1])[:, 1].max() == 2


def test_modelnet40_h5_follows_its_lists(tmp_path: Path) -> None:
    root = tmp_path / "modelnet40_ply_hdf5_2048"
    write(root / "shape_names.txt", "airplane\nbathtub\nnight_stand\n")
    write(root / "train_files.txt", "data/modelnet40_ply_hdf5_2048/ply_data_train0.h5\n")
    write(root / "test_files.txt", "data/modelnet40_ply_hdf5_2048/ply_data_test0.h5\n")
    write_pack(root / "ply_data_train0.h5", [0, 2])
    write_pack(root / "ply_data_test0.h5", [1])
    write_pack(root / "ply_data_test1.h5", [1, 1, 1])
    found = entries("modelnet40-h5", tmp_path)
    assert short(found) == [
        ("ply_data_train0-00000", "train", "airplane"),
        ("ply_data_train0-00001", "train", "night stand"),
        ("ply_data_test0-00000", "test", "bathtub"),
    ]
    assert (points_of(tmp_path, found[1])[:, 0] == 1).all()


def test_modelnet40_h5_without_lists_takes_the_packs_by_name(tmp_path: Path) -> None:
    write(tmp_path / "shape_names.txt", "airplane\n")
    write_pack(tmp_path / "ply_data_test0.h5", [0, 0])
    assert [entry.split for entry in entries("modelnet40-h5", tmp_path)] == ["test", "test"]


def test_labels_beyond_the_names_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "shape_names.txt", "airplane\n")
    write_pack(tmp_path / "ply_data_test0.h5", [0, 7])
    with pytest.raises(ValueError, match=r"ply_data_test0\.h5 has the label 7, but there are 1 class names"):
        entries("modelnet40-h5", tmp_path)


def test_packs_that_cannot_be_packs_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "shape_names.txt", "airplane\n")
    path = tmp_path / "ply_data_test0.h5"
    write(path, "not HDF5")
    with pytest.raises(ValueError, match=r"ply_data_test0\.h5 is not a valid HDF5 file"):
        entries("modelnet40-h5", tmp_path)
    with h5py.File(path, "w") as pack:
        pack["points"] = np.zeros((2, 8, 3))
    with pytest.raises(ValueError, match="lacks the datasets data and label; it has points"):
        entries("modelnet40-h5", tmp_path)
    with h5py.File(path, "w") as pack:
        pack["data"], pack["label"] = np.zeros((2, 8, 3)), np.zeros(3, np.int64)
    with pytest.raises(ValueError, match="2 clouds but 3 labels"):
        entries("modelnet40-h5", tmp_path)


def test_a_forged_pack_costs_no_memory(tmp_path: Path) -> None:
    write(tmp_path / "shape_names.txt", "airplane\n")
    with h5py.File(tmp_path / "ply_data_test0.h5", "w") as pack:
        pack.create_dataset("data", (10**12, 8, 3), "f4", chunks=(1, 8, 3))
        pack.create_dataset("label", (10**12,), "i8", chunks=(1024,))
    with pytest.raises(ValueError, match="declares 1000000000000 clouds"):
        entries("modelnet40-h5", tmp_path)


def test_modelnet40_resampled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "modelnet40_shape_names.txt", "airplane\nrange_hood\n")
    write(tmp_path / "modelnet40_train.txt", "airplane_0001\nrange_hood_0001\n")
    write(tmp_path / "modelnet40_test.txt", "airplane_0627\n")
    row = "0,{},0,0,1,0\n1,0,0,0,1,0\n0,0,1,0,1,0\n"
    write(tmp_path / "airplane/airplane_0001.txt", row.format(1))
    write(tmp_path / "airplane/airplane_0627.txt", row.format(2))
    found = entries("modelnet40-normal-resampled", tmp_path)
    assert short(found) == [("airplane_0001", "train", "airplane"), ("airplane_0627", "test", "airplane")]
    assert found[0].up_axis == "y"
    assert "1 of 2 listed files are not there" in caplog.text
    assert points_of(tmp_path, found[1]).max() == 2


@pytest.mark.parametrize(
    ("variant", "folder", "ending"),
    [
        ("OBJ_ONLY", "main_split_nobg", "objectdataset.h5"),
        ("OBJ_BG", "main_split", "objectdataset.h5"),
        ("PB_T50_RS", "main_split", "objectdataset_augmentedrot_scale75.h5"),
    ],
)
def test_scanobjectnn_variants(tmp_path: Path, variant: str, folder: str, ending: str) -> None:
    for place in ("main_split_nobg", "main_split"):
        for prefix in ("training", "test"):
            write_pack(tmp_path / "h5_files" / place / f"{prefix}_objectdataset.h5", [4])
    write_pack(tmp_path / "h5_files" / folder / f"training_{ending}", [0, 14], mask=np.zeros((2, 8)))
    write_pack(tmp_path / "h5_files" / folder / f"test_{ending}", [13])
    found = entries("scanobjectnn", tmp_path, options={"variant": variant})
    assert short(found) == [
        (f"{variant}-train-00000", "train", "bag"),
        (f"{variant}-train-00001", "train", "toilet"),
        (f"{variant}-test-00000", "test", "sofa"),
    ]
    assert (points_of(tmp_path, found[1])[:, 0] == 1).all()


def test_scanobjectnn_wants_a_known_variant(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no variant 'HARDEST'; it has OBJ_ONLY, OBJ_BG, PB_T50_RS"):
        entries("scanobjectnn", tmp_path, options={"variant": "hardest"})


TAXONOMY = [
    {"synsetId": "02691156", "name": "airplane,aeroplane,plane", "children": ["03595860"], "numInstances": 4045},
    {"synsetId": "03595860", "name": "jet,jet plane,jet-propelled plane", "children": [], "numInstances": 100},
    {"synsetId": "02747177", "name": "ashcan,trash can,garbage can", "children": [], "numInstances": 343},
]


def test_shapenet_core_with_taxonomy_and_splits(tmp_path: Path) -> None:
    write(tmp_path / "taxonomy.json", json.dumps(TAXONOMY))
    write(
        tmp_path / "all.csv",
        "id,synsetId,subSynsetId,modelId,split\n1,02691156,03595860,aa11,test\n2,02691156,02691156,bb22,train\n",
    )
    write(tmp_path / "02691156/aa11/models/model_normalized.obj", OBJ.format(size=1))
    write(tmp_path / "02691156/bb22/models/model_normalized.obj", OBJ.format(size=2))
    write(tmp_path / "02747177/cc33/model.obj", OBJ.format(size=3))
    found = entries("shapenet", tmp_path)
    assert short(found) == [
        ("02691156-aa11", "test", "airplane"),
        ("02691156-bb22", "train", "airplane"),
        ("02747177-cc33", "train", "trash bin"),
    ]
    assert found[0].caption == "a jet, a kind of airplane"
    assert found[1].caption == "an airplane, also called aeroplane or plane"
    assert found[2].caption == "a trash bin, also called ashcan or trash can or garbage can"
    assert points_of(tmp_path, found[2])[:, 1].max() == 3


def test_shapenet_names_its_classes_without_a_taxonomy(tmp_path: Path) -> None:
    write(tmp_path / "03001627/aa/models/model_normalized.obj", OBJ.format(size=1))
    (found,) = entries("shapenet", tmp_path)
    assert (found.label, found.caption) == ("chair", "a chair")


def save_dictionary(path: Path, **arrays: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.array(arrays, dtype=object), allow_pickle=True)


def test_openshape_dictionaries(tmp_path: Path) -> None:
    xyz = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    save_dictionary(tmp_path / "merged_for_training_final/ShapeNet/02801938/dc4a.npy", xyz=xyz, rgb=xyz * 0)
    (found,) = entries("shapenet-openshape", tmp_path)
    assert (found.object_id, found.label, found.up_axis) == ("shapenet-openshape/02801938-dc4a", "basket", "z")
    assert np.allclose(points_of(tmp_path, found), xyz)


def test_ulip_lists(tmp_path: Path) -> None:
    write(tmp_path / "shapenet-55/train.txt", "02691156-aa.npy\n03001627-bb.npy\n")
    write(tmp_path / "shapenet-55/test.txt", "03001627-cc.npy\n")
    write(tmp_path / "shapenet-55/taxonomy.json", json.dumps(TAXONOMY))
    for index, name in enumerate(("02691156-aa", "03001627-bb", "03001627-cc")):
        (tmp_path / "shapenet-55/shapenet_pc").mkdir(exist_ok=True)
        cloud = np.random.default_rng(index).normal(size=(9, 3)).astype(np.float32)
        np.save(tmp_path / f"shapenet-55/shapenet_pc/{name}.npy", cloud)
    found = entries("shapenet-ulip", tmp_path)
    assert short(found) == [
        ("02691156-aa", "train", "airplane"),
        ("03001627-bb", "train", "chair"),
        ("03001627-cc", "test", "chair"),
    ]
    assert found[0].caption == "an airplane, also called aeroplane or plane"
    assert points_of(tmp_path, found[2]).shape == (9, 3)


def test_shapenetpart(tmp_path: Path) -> None:
    root = tmp_path / "hdf5_data"
    write(root / "all_object_categories.txt", "Airplane\t02691156\nBag\t02773838\n")
    write_pack(root / "ply_data_train0.h5", [1], pid=np.zeros((1, 8)))
    write_pack(root / "ply_data_val0.h5", [0], pid=np.zeros((1, 8)))
    write_pack(root / "ply_data_test0.h5", [0, 1], pid=np.zeros((2, 8)))
    found = entries("shapenetpart", tmp_path)
    assert sorted((entry.split, entry.label) for entry in found) == [
        ("test", "airplane"),
        ("test", "bag"),
        ("train", "bag"),
        ("val", "airplane"),
    ]


def test_omniobject3d_clouds_take_the_finest_resolution(tmp_path: Path) -> None:
    root = tmp_path / "raw/point_clouds/ply_files"
    for points in (1024, 4096):
        for name in ("apple_001", "apple_002"):
            write(root / f"{points}/apple/{name}/pcd_{points}.ply", PLY + f"0 0 0\n0 1 0\n{points} 0 0\n")
    write(root / "1024/rubik_cube/rubik_cube_001/pcd_1024.ply", PLY + "0 0 0\n0 1 0\n1 0 0\n")
    found = entries("omniobject3d", tmp_path)
    assert short(found) == [
        ("apple_001", "test", "apple"),
        ("apple_002", "test", "apple"),
        ("rubik_cube_001", "test", "rubik cube"),
    ]
    assert points_of(tmp_path, found[0]).max() == 4096
    coarse = entries("omniobject3d", tmp_path, options={"points": "1024"})
    assert points_of(tmp_path, coarse[0]).max() == 1024


def test_omniobject3d_packs_and_scans(tmp_path: Path) -> None:
    write(tmp_path / "scans/apple/apple_001/Scan/Scan.obj", OBJ.format(size=1))
    assert short(entries("omniobject3d", tmp_path / "scans")) == [("apple_001", "test", "apple")]
    write_pack(tmp_path / "packs/1024/rubik_cube_1024.hdf5", [0, 0])
    found = entries("omniobject3d", tmp_path / "packs")
    assert short(found) == [("rubik_cube-0000", "test", "rubik cube"), ("rubik_cube-0001", "test", "rubik cube")]
    assert (points_of(tmp_path / "packs", found[1])[:, 0] == 1).all()


UIDS = ("d4c9180a46cf401fa24fa3afe9237a43", "655444d3fcdc4eef9cfc993daeb4fa37")


@pytest.mark.parametrize("form", ["openshape", "objaverse", "csv"])
def test_objaverse_lvis_lists(tmp_path: Path, form: str) -> None:
    if form == "openshape":
        rows = [{"uid": uid, "category": "apple_(fruit)", "data_path": f"/mnt/x/{uid}.npy"} for uid in UIDS]
        write(tmp_path / "meta_data/split/lvis.json", json.dumps(rows))
    elif form == "objaverse":
        write(tmp_path / "lvis-annotations.json", json.dumps({"apple_(fruit)": list(UIDS)}))
    else:
        write(tmp_path / "lvis.csv", "".join(f"7,apple_(fruit),{uid}\n" for uid in UIDS))
    xyz = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    save_dictionary(tmp_path / f"Objaverse/000-057/{UIDS[0]}.npy", xyz=xyz, rgb=xyz * 0)
    write(tmp_path / f"glbs/000-001/{UIDS[1]}.glb", b"glTF")
    found = entries("objaverse-lvis", tmp_path)
    assert short(found) == [(UIDS[0], "test", "apple"), (UIDS[1], "test", "apple")]
    assert [entry.up_axis for entry in found] == ["z", None]
    assert found[0].caption == "an apple"


def test_opendlign_depth_maps(tmp_path: Path) -> None:
    write(tmp_path / "modelnet40/depth_map/airplane_0627+airplane_dm.npy", b"")
    write(tmp_path / "modelnet40/depth_map/x_1+night_stand_dm.npy", b"")
    write(tmp_path / "shapenet/depth_map/part1/03001627-aa_dm.npy", b"")
    found = entries("opendlign", tmp_path)
    assert short(found) == [
        ("airplane_0627+airplane", "test", "airplane"),
        ("x_1+night_stand", "test", "night stand"),
        ("03001627-aa", "train", "chair"),
    ]


def test_every_adapter_refuses_a_wrong_layout_in_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "notes/readme.md", "nothing here")
    for name in {name for name, adapter in ADAPTERS.items() if not adapter.generated}:
        with pytest.raises(WrongLayout) as failure:
            entries(name, tmp_path)
        message = str(failure.value)
        assert f"no {ADAPTERS[name].title} at {tmp_path}" in message
        assert ADAPTERS[name].layout in message
        assert "found 1 files such as notes/readme.md" in message
        assert "\n" not in message


def test_a_missing_split_names_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path / "airplane/test/airplane_0627.off", OFF.format(size=1))
    with pytest.raises(WrongLayout, match=r"has splits \['test'\], none of \['train'\]"):
        entries("modelnet40", tmp_path, splits=("train",))


def test_unknown_adapters_and_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown adapter 'modelnet'; known are .*modelnet40"):
        entries("modelnet", tmp_path)
    with pytest.raises(ValueError, match="'modelnet40' has no option variant; it accepts none"):
        entries("modelnet40", tmp_path, options={"variant": "x"})
    with pytest.raises(ValueError, match="'folder' reads files: give the source a url"):
        list(list_entries(SourceSpec(adapter="folder")))


def test_a_source_overrides_conventions(tmp_path: Path) -> None:
    write(tmp_path / "airplane/test/airplane_0627.off", OFF.format(size=1))
    (found,) = entries("modelnet40", tmp_path, name="mine", up_axis="y", unit="cm", licence="none")
    assert found.object_id == "mine/airplane_0627"
    assert (found.source, found.up_axis, found.unit, found.licence) == ("mine", "y", "cm", "none")


def test_ids_are_unique_and_the_order_is_stable(tmp_path: Path) -> None:
    for index in range(12):
        write(tmp_path / f"class{index % 3}/shape{index:02d}.off", OFF.format(size=index + 1))
    first, second = entries("folder", tmp_path), entries("folder", tmp_path)
    assert first == second
    assert len({entry.object_id for entry in first}) == 12


def test_csv_and_parquet_lists_agree(tmp_path: Path) -> None:
    rows = [
        {"uri": "a/one.off", "label": "night_stand", "caption": "", "split": "test", "up_axis": "z"},
        {"uri": "pack.npz#2", "label": "mug", "caption": "a red mug", "split": "", "up_axis": ""},
    ]
    (tmp_path / "t").mkdir()
    with (tmp_path / "t/list.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t/list.parquet")
    from_csv = entries("list", tmp_path, options={"list": "t/list.csv"})
    assert from_csv == entries("list", tmp_path, options={"list": "t/list.parquet"})
    first, second = from_csv
    assert (first.label, first.caption, first.split, first.up_axis) == ("night stand", "a night stand", "test", "z")
    assert (first.uri, first.member) == ("t/a/one.off", None), "uris are relative to their list"
    assert (second.uri, second.member, second.split, second.caption) == ("t/pack.npz", 2, "train", "a red mug")


def test_the_documentation_names_every_adapter_and_option() -> None:
    text = (Path(__file__).parents[2] / "docs/datasets.md").read_text()
    for adapter in ADAPTERS.values():
        assert f"| `{adapter.name}` |" in text
        for option, _ in adapter.options:
            assert f"`{option}`" in text, f"{adapter.name} option {option}"
