"""The words that a small CLIP read, and those that it never did."""

import json
import shutil
from pathlib import Path

import pytest

from opendlign.mini_corpus import CorpusRecipe, words_read
from opendlign_core.clip import OFFICIAL_MODELS, ClipSpec, packaged_folder
from opendlign_core.clip.vocabulary import WORDS_FILE, unread_words
from opendlign_core.ingestion.procedural import LABELS


@pytest.mark.parametrize(("name", "parts"), [("mini", False), ("mini-parts", True)])
def test_the_shipped_words_are_those_of_the_captions(name: str, parts: bool) -> None:
    folder = packaged_folder(name)
    recipe = CorpusRecipe.model_validate(json.loads((folder / "pretrain.json").read_text())["corpus"])
    assert tuple((folder / WORDS_FILE).read_text().splitlines()) == words_read(recipe, parts)


def test_words_that_were_never_read_are_told_once_in_their_order() -> None:
    clip = ClipSpec.packaged("mini")
    assert unread_words(clip, LABELS) == ()
    assert unread_words(clip, ["a Red_Mug", "quux the Dolphin", "dolphin"]) == ("quux", "dolphin")


def test_a_part_is_a_word_to_the_clip_that_was_taught_parts_alone() -> None:
    assert unread_words(ClipSpec.packaged("mini"), ["hull"]) == ("hull",)
    assert unread_words(ClipSpec.packaged("mini-parts"), ["hull"]) == ()


def test_weights_say_what_they_read_by_the_file_beside_them_and_others_read_everything(tmp_path: Path) -> None:
    for path in packaged_folder("mini").iterdir():
        shutil.copy(path, tmp_path)
    spec = ClipSpec.from_folder(tmp_path)
    assert unread_words(spec, ["dolphin"]) == ("dolphin",)
    (tmp_path / WORDS_FILE).unlink()
    unread_words.__globals__["_listed"].cache_clear()
    assert unread_words(spec, ["dolphin"]) == ()
    tag = OFFICIAL_MODELS["ViT-B-32"].tag
    assert unread_words(ClipSpec(model="ViT-B-32", weights=tag), ["dolphin"]) == ()
