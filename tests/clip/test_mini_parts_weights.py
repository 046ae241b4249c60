"""The weights that have words for parts: where they come from, and what they can tell apart."""

import json

from opendlign.mini_corpus import CorpusRecipe
from opendlign.pretrain import SUMMARY_FILE, mini_part_training
from opendlign_core.clip import ClipSpec
from opendlign_core.clip.spec import packaged_folder
from opendlign_core.training import PretrainRecipe

FOLDER = packaged_folder("mini-parts")


def test_the_files_are_those_of_the_stated_recipe_and_start_from_mini() -> None:
    summary = json.loads((FOLDER / SUMMARY_FILE).read_text())
    assert PretrainRecipe.model_validate(summary["training"]) == mini_part_training()
    assert CorpusRecipe.model_validate(summary["corpus"]) == CorpusRecipe()
    assert summary["start_sha256"] == ClipSpec.packaged("mini").weights_sha256
    assert len((FOLDER / "pretrain.jsonl").read_text().splitlines()) == mini_part_training().steps
