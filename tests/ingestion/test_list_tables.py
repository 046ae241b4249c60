"""Tables as people write them: other separators, words for the up axis, and what is wrong with them, by row."""

import re
from pathlib import Path
from typing import Any

import pytest

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import DirectoryFiles, ObjectEntry, SourceSpec, list_entries
from opendlign_core.ingestion.adapters.lists import read_up_axis


def listed(root: Path, text: str, **options: str) -> list[ObjectEntry]:
    (root / "shapes.csv").write_text(text)
    source: dict[str, Any] = {"adapter": "list", "url": str(root), "options": options}
    return list(list_entries(SourceSpec.model_validate(source), DirectoryFiles(root)))


def test_up_axes_are_read_from_words() -> None:
    texts = ["y", "Z?", "-x", "+Z", "z-up", "Y_UP", "- y", "y (most objects; a minority are z-up)", "?", "unknown", ""]
    read = [read_up_axis(text) for text in texts]
    assert read == ["y", "z", "-x", "z", "z", "y", "-y", "y", None, None, None]


@pytest.mark.parametrize("word", ["up", "yes", "zebra", "2", "+"])
def test_an_up_axis_that_is_none_is_named_with_its_row(tmp_path: Path, word: str) -> None:
    with pytest.raises(BadInput, match=re.escape(f"{word!r} (of b.off) is no up axis; write x, y, z, -x, -y, -z")):
        listed(tmp_path, f"uri,up_axis\na.off,z\nb.off,{word}\n")


def test_rows_may_be_separated_by_semicolons(tmp_path: Path) -> None:
    found = listed(tmp_path, 'uri;label;caption\na.off;mug;"a mug, red; old"\n')
    assert [(entry.uri, entry.label, entry.caption) for entry in found] == [("a.off", "mug", "a mug, red; old")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", r"shapes\.csv is empty"), ("uri,label\n", r"shapes\.csv has a header but no rows")],
)
def test_a_table_without_rows_is_there_but_empty(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        listed(tmp_path, text)


def test_a_name_with_a_line_break_is_one_line(tmp_path: Path) -> None:
    (entry,) = listed(tmp_path, 'uri,name\na.off,"my\nmug"\n')
    assert entry.object_id == r"list/my\nmug"
