"""Words for parts: libraries of sentences, and what PointCLIP V2 shipped of its own."""

import json
from pathlib import Path

import pytest

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.segmentation.page import published_miou
from opendlign_core.evaluation.segmentation.words import PartLibrary, Shipped, sentences_digest, shipped, shipped_for


@pytest.fixture
def library(tmp_path: Path) -> PartLibrary:
    path = tmp_path / "library.json"
    chair = {"back": ["a back", "the back of a chair"], "leg": ["a leg"]}
    path.write_text(json.dumps({"Chair": chair, "cup": {"cup": []}}))
    return PartLibrary.read(path)


def test_a_category_is_found_however_it_is_spelled_and_may_lack_parts_at_the_end(library: PartLibrary) -> None:
    assert library.of("chair", 4) == (("a back", "the back of a chair"), ("a leg",))


@pytest.mark.parametrize(
    ("category", "parts", "words"),
    [("sofa", 2, "no sentences for the category 'sofa'; it has chair"), ("chair", 1, "names 2 parts of chair"),
     ("cup", 2, "no sentences for the cup of cup")],
)  # fmt: skip
def test_what_a_library_lacks_is_said(library: PartLibrary, category: str, parts: int, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        library.of(category, parts)


@pytest.mark.parametrize("text", ["[]", "{", '{"chair": ["a back"]}', '{"chair": 3}'])
def test_another_shape_of_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(BadInput, match="category -> part -> list of sentences"):
        PartLibrary.read(tmp_path / "other.json")


def test_shipped_sentences_are_places_in_one_library_and_no_other(library: PartLibrary) -> None:
    digest = sentences_digest(["the back of a chair", "a leg"])
    assert Shipped((1, 0), (), digest[:16]).chosen("chair", library, 4) == ("the back of a chair", "a leg")
    for other in (Shipped((0, 0), (), digest[:16]), Shipped((5, 0), (), ""), Shipped((0,), (), "")):
        with pytest.raises(BadInput, match="is not PointCLIP V2's library"):
            other.chosen("chair", library, 4)
    with pytest.raises(BadInput, match="shipped no sentences for 'spoon'"):
        shipped_for("spoon")


def test_sixteen_categories_were_shipped_and_all_but_the_car_published() -> None:
    assert len(shipped()) == 16 and all(len(one.weights) == 10 for one in shipped().values())
    assert set(shipped()) - set(published_miou()) == {"car"}
    assert [len(shipped_for(name).sentences) for name in ("Airplane", "lamp", "motorbike")] == [4, 2, 6]
