"""Folders, lists and packs of one's own, and the real packs where they are present."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendlign_core.ingestion import DirectoryFiles, ObjectEntry, SourceSpec, list_entries, read_shape
from opendlign_core.ingestion.adapters import WrongLayout
from opendlign_core.ingestion.adapters.lists import split_uri

OFF = "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"


def entries(adapter: str, root: Path, **fields: Any) -> list[ObjectEntry]:
    return list(list_entries(SourceSpec(adapter=adapter, url=str(root), **fields), DirectoryFiles(root)))


def touch(root: Path, *keys: str) -> None:
    for key in keys:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_text(OFF)


def test_a_folder_of_labels(tmp_path: Path) -> None:
    touch(tmp_path, "arm_chair/a.off", "arm_chair/b/model.obj", "mug/c.ply", "mug/c.mtl", "mug/c.png", "README.txt")
    found = entries("folder", tmp_path)
    assert [(entry.object_id, entry.split, entry.label) for entry in found] == [
        ("folder/arm_chair/a.off", "train", "arm chair"),
        ("folder/arm_chair/b/model.obj", "train", "arm chair"),
        ("folder/mug/c.ply", "train", "mug"),
    ]
    assert found[0].caption == "an arm chair"
    assert found[0].up_axis is None


def test_a_folder_of_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/mug/a.off", "Validation/mug/b.off", "test/bowl/c.off")
    found = entries("folder", tmp_path)
    assert {(entry.split, entry.label) for entry in found} == {("train", "mug"), ("val", "mug"), ("test", "bowl")}


def test_a_label_may_be_called_like_a_split(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.off")
    (found,) = entries("folder", tmp_path)
    assert (found.split, found.label) == ("train", "train")


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    touch(tmp_path, "a.off", "b.off")
    found = entries("folder", tmp_path, options={"split": "test"})
    assert [(entry.split, entry.label, entry.caption) for entry in found] == [("test", "", "")] * 2


def test_suffixes_can_be_chosen(tmp_path: Path) -> None:
    touch(tmp_path, "mug/a.off", "mug/a.obj")
    assert [entry.uri for entry in entries("folder", tmp_path, options={"suffixes": "obj"})] == ["mug/a.obj"]
    with pytest.raises(ValueError, match=r"no reader for \.blend"):
        entries("folder", tmp_path, options={"suffixes": "blend"})


def test_a_share_of_training_is_drawn_by_name(tmp_path: Path) -> None:
    touch(tmp_path, *(f"mug/{index}.off" for index in range(200)))
    first = {entry.object_id: entry.split for entry in entries("folder", tmp_path, options={"train_share": "0.75"})}
    assert 120 < list(first.values()).count("train") < 180
    touch(tmp_path, *(f"bowl/{index}.off" for index in range(30)))
    again = {entry.object_id: entry.split for entry in entries("folder", tmp_path, options={"train_share": "0.75"})}
    assert first.items() <= again.items(), "more objects must not move old ones to another split"
    with pytest.raises(ValueError, match=r"between 0 and 1, such as 0\.75, got '75'"):
        entries("folder", tmp_path, options={"train_share": "75"})


def test_rare_labels_can_be_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "mug/a.off", "mug/b.off", "bowl/c.off")
    assert {entry.label for entry in entries("folder", tmp_path, options={"min_per_label": "2"})} == {"mug"}


def pack(path: Path, count: int = 3, **extra: Any) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 16, 3)).astype(np.float16)
    np.savez(path, points=points, **{"labels": np.array(["coffee_mug"] * count), **extra})
    return points


def test_a_pack_is_a_list_of_its_rows(tmp_path: Path) -> None:
    points = pack(
        tmp_path / "toys.npz",
        split=np.array(["train", "test", "test"]),
        text=np.array(["", "a blue mug", "mug"]),
        up_axis=np.array("z"),
    )
    found = entries("list", tmp_path)
    assert [entry.object_id for entry in found] == ["list/toys/00000", "list/toys/00001", "list/toys/00002"]
    assert [entry.split for entry in found] == ["train", "test", "test"]
    assert [entry.caption for entry in found] == ["a coffee mug", "a blue mug", "a mug"]
    assert {(entry.label, entry.up_axis, entry.uri) for entry in found} == {("coffee mug", "z", "toys.npz")}
    cloud = read_shape(tmp_path / "toys.npz", found[2].member)
    assert np.allclose(np.asarray(cloud.points), points[2])  # type: ignore[union-attr]


def test_several_packs_are_taken_together(tmp_path: Path) -> None:
    pack(tmp_path / "a.npz")
    pack(tmp_path / "b.npz", 2)
    found = entries("list", tmp_path, options={"train_share": "0.5"})
    assert len({entry.object_id for entry in found}) == 5
    assert len(entries("list", tmp_path, options={"list": "b.npz"})) == 2


def test_packs_that_are_no_lists_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", vertices=np.zeros((4, 3)))
    with pytest.raises(
        ValueError, match=r"a\.npz is no list of objects: it needs points and labels, but has vertices"
    ):
        entries("list", tmp_path)
    pack(tmp_path / "a.npz", split=np.array(["train", "test"]))
    with pytest.raises(ValueError, match="3 labels but 2 values of split"):
        entries("list", tmp_path)


def test_pickled_labels_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=np.zeros((1, 4, 3)), labels=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"a\.npz holds pickled objects"):
        entries("list", tmp_path)


def test_columns_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,class,words\na.off,arm_chair,an old chair\n")
    names = {"uri_column": "file", "label_column": "class", "caption_column": "words"}
    (found,) = entries("list", tmp_path, options=names)
    assert (found.uri, found.label, found.caption) == ("a.off", "arm chair", "an old chair")
    with pytest.raises(ValueError, match=r"labels\.csv has no column 'uri' \(it has file, class, words\)"):
        entries("list", tmp_path)


def test_empty_and_repeated_uris_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("uri,label\na.off,mug\n,mug\n")
    with pytest.raises(ValueError, match="empty uri in row 3"):
        entries("list", tmp_path)
    (tmp_path / "list.csv").write_text("uri,label\na.off,mug\na.off,cup\n")
    with pytest.raises(ValueError, match=r"names a\.off twice, the second time in row 3"):
        entries("list", tmp_path)


def test_two_objects_cannot_have_one_name(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("uri,name\na.off,mine\nb.off,mine\n")
    with pytest.raises(ValueError, match=r"two objects are called mine: a\.off and b\.off"):
        entries("list", tmp_path)


def test_which_list_must_be_clear(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("uri\nx.off\n")
    (tmp_path / "b.tsv").write_text("uri\tlabel\ny.off\tmug\n")
    with pytest.raises(ValueError, match=r"several lists .* a\.csv, b\.tsv; name one with the option list"):
        entries("list", tmp_path)
    (found,) = entries("list", tmp_path, options={"list": "b.tsv"})
    assert found.label == "mug"
    with pytest.raises(WrongLayout, match=r"looked for c\.csv"):
        entries("list", tmp_path, options={"list": "c.csv"})


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("a/b.off", ("a/b.off", None)),
        ("x.npz#12", ("x.npz", 12)),
        ("x.h5#data:3", ("x.h5", "data:3")),
        ("x.npz#points", ("x.npz", "points")),
    ],
)
def test_uris_may_name_a_member(uri: str, expected: tuple[str, str | int | None]) -> None:
    assert split_uri(uri) == expected


def test_real_packs_list_and_read(data_dir: Path) -> None:
    folder = data_dir / "bench_points"
    packs = sorted(folder.glob("*.npz"))
    if not packs:
        pytest.skip(f"no packs in {folder}")
    found = entries("list", folder)
    assert len({entry.object_id for entry in found}) == len(found)
    assert {entry.uri for entry in found} == {path.name for path in packs}
    for path in packs:
        own = [entry for entry in found if entry.uri == path.name]
        with np.load(path, allow_pickle=False) as content:
            assert len(own) == len(content["labels"])
            cloud = read_shape(path, own[-1].member)
            assert np.allclose(np.asarray(cloud.points), content["points"][-1])  # type: ignore[union-attr]


def test_real_classes_with_enough_objects(data_dir: Path) -> None:
    folder = data_dir / "bench_points"
    if not (folder / "psb161.npz").is_file():
        pytest.skip("psb161.npz is absent")
    found = entries("list", folder, options={"list": "psb161.npz", "min_per_label": "8", "train_share": "0.75"})
    counts = Counter(entry.label for entry in found)
    assert min(counts.values()) >= 8
    assert len(counts) > 20
    assert 0.7 < sum(entry.split == "train" for entry in found) / len(found) < 0.8


def test_real_modelnet_folder(data_dir: Path) -> None:
    folder = data_dir / "modelnet40_normal_resampled_2cls"
    if not folder.is_dir():
        pytest.skip("the ModelNet40 excerpt is absent")
    found = entries("modelnet40-normal-resampled", folder)
    assert found
    assert {entry.label for entry in found} <= {"airplane", "bathtub"}


@pytest.mark.parametrize("column", ["uri", "label", "caption", "split"])
def test_a_column_that_an_option_names_must_be_there(column: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("uri,label,caption,split\na.off,mug,a red mug,test\n")
    with pytest.raises(ValueError, match=rf"list\.csv has no column 'kind' .*see option {column}_column"):
        entries("list", tmp_path, options={f"{column}_column": "kind"})


def test_a_pack_has_no_columns_to_name(tmp_path: Path) -> None:
    pack(tmp_path / "toys.npz")
    with pytest.raises(ValueError, match=r"toys\.npz is a pack, which has no columns: leave out label_column"):
        entries("list", tmp_path, options={"label_column": "class"})


def test_a_split_option_that_would_change_nothing_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("uri,split\na.off,train\nb.off,\n")
    assert [entry.split for entry in entries("list", tmp_path, options={"split": "test"})] == ["train", "test"]
    table.write_text("uri,split\na.off,train\nb.off,train\n")
    with pytest.raises(ValueError, match="all 2 state one: leave it out"):
        entries("list", tmp_path, options={"split": "test"})
    with pytest.raises(ValueError, match=r"split test and train_share 0\.5 exclude each other"):
        entries("list", tmp_path, options={"split": "test", "train_share": "0.5"})
    drawn = {entry.split for entry in entries("list", tmp_path, options={"train_share": "0.0001"})}
    assert drawn == {"test"}


def test_the_real_table_of_meshes(data_dir: Path) -> None:
    folder = data_dir / "psb"
    if not (folder / "labels.csv").is_file():
        pytest.skip("no psb/labels.csv among the real shapes")
    names = {"uri_column": "file", "label_column": "class", "caption_column": "suggested_text"}
    found = entries("list", folder, options={"list": "labels.csv", **names})
    assert {entry.split for entry in found} == {"train", "test"}
    assert all(entry.label and entry.caption for entry in found)
    assert any((folder / entry.uri).is_file() for entry in found)
