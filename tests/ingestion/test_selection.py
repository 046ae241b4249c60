"""Splits that are drawn and labels that are too rare, over folders of one's own."""

import logging
from collections import Counter
from pathlib import Path

import pytest

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import DirectoryFiles, ObjectEntry, SourceSpec, list_entries
from tests.ingestion import samples


def folder(root: Path, **counts: int) -> Path:
    for label, count in counts.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / label / f"{number:03d}.off").write_bytes(samples.off())
    return root


def entries(root: Path, **options: str) -> list[ObjectEntry]:
    source = SourceSpec.model_validate({"adapter": "folder", "url": str(root), "options": options})
    return list(list_entries(source, DirectoryFiles(root)))


def splits(root: Path, **options: str) -> dict[str, Counter[str]]:
    """How many objects of each label lie in each split."""
    found: dict[str, Counter[str]] = {}
    for entry in entries(root, **options):
        found.setdefault(entry.label, Counter())[entry.split] += 1
    return found


def test_a_stratified_share_is_that_of_every_label(tmp_path: Path) -> None:
    root = folder(tmp_path, tank=11, mug=40, lamp=2, car=3, bus=1)
    found = splits(root, train_share="0.75", stratify="label")
    assert {label: (count["train"], count["test"]) for label, count in found.items()} == {
        "tank": (8, 3), "mug": (30, 10), "lamp": (1, 1), "car": (2, 1), "bus": (1, 0)
    }  # fmt: skip


def test_a_stratified_draw_is_the_same_every_time_and_takes_no_order_of_names(tmp_path: Path) -> None:
    root = folder(tmp_path, mug=40)
    first, again = (entries(root, train_share="0.5", stratify="label") for _ in range(2))
    assert first == again
    assert [entry.split for entry in first] != ["train"] * 20 + ["test"] * 20
    assert [entry.split for entry in first] != ["test"] * 20 + ["train"] * 20


def test_labels_that_a_plain_draw_leaves_without_a_test_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = folder(tmp_path, tank=2, mug=60)
    with caplog.at_level(logging.WARNING):
        found = splits(root, train_share="0.9")
    assert found["tank"]["test"] == 0
    assert "leaves 1 of 2 labels without a test object: tank" in caplog.text
    assert "stratify=label" in caplog.text


@pytest.mark.parametrize("share", ["75%", "three quarters", "1.5", "0", "nan"])
def test_a_share_that_is_none_is_told_as_one(tmp_path: Path, share: str) -> None:
    with pytest.raises(BadInput, match=r"train_share must be a number between 0 and 1, such as 0\.75, got"):
        entries(folder(tmp_path, mug=2), train_share=share)


def test_stratify_needs_a_share_and_a_word_that_is_known(tmp_path: Path) -> None:
    root = folder(tmp_path, mug=2)
    with pytest.raises(BadInput, match="stratify=label is for train_share"):
        entries(root, stratify="label")
    with pytest.raises(BadInput, match=r"stratify must be label, got 'class'"):
        entries(root, train_share="0.5", stratify="class")


def test_a_floor_that_no_label_reaches_says_what_the_largest_has(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no label has min_per_label=10000 objects; the largest, 'mug', has 4"):
        entries(folder(tmp_path, mug=4, tank=2), min_per_label="10000")
