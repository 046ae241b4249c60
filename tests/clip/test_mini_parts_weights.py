"""The weights that have words for parts: where they come from, and what they can tell apart."""

import json

import numpy as np
import pytest
import torch

from opendlign.mini_corpus import MINI_PROJECTION, CorpusRecipe
from opendlign.pretrain import SUMMARY_FILE, mini_part_training
from opendlign_core.clip import ClipSpec, depth_to_input, load_clip, load_tokenizer
from opendlign_core.clip.features import unit
from opendlign_core.clip.spec import packaged_folder
from opendlign_core.clip.tokens import patch_tokens
from opendlign_core.ingestion.procedural import procedural_cloud
from opendlign_core.projection import project
from opendlign_core.projection.labels import label_maps
from opendlign_core.training import PretrainRecipe

FOLDER = packaged_folder("mini-parts")
PATCH = 8


def test_the_files_are_those_of_the_stated_recipe_and_start_from_mini() -> None:
    summary = json.loads((FOLDER / SUMMARY_FILE).read_text())
    assert PretrainRecipe.model_validate(summary["training"]) == mini_part_training()
    assert CorpusRecipe.model_validate(summary["corpus"]) == CorpusRecipe()
    assert summary["start_sha256"] == ClipSpec.packaged("mini").weights_sha256
    assert len((FOLDER / "pretrain.jsonl").read_text().splitlines()) == mini_part_training().steps


@pytest.mark.parametrize(("label", "parts"), [("chair", ("back", "seat", "leg")), ("table", ("top", "leg"))])
def test_patches_of_unseen_depth_maps_are_called_by_their_parts(label: str, parts: tuple[str, ...]) -> None:
    spec = ClipSpec.packaged("mini-parts")
    clip, tokenizer = load_clip(spec), load_tokenizer(spec)
    right, asked = 0.0, 0.0
    with torch.inference_mode():
        words = clip.encode_text(tokenizer([f"a {part} of a {label}" for part in parts]), normalize=True)
        for turn in range(6):
            cloud = procedural_cloud(99, turn, 4096, (label,))
            assert cloud.part_names == parts
            assert cloud.parts is not None
            depth = project(cloud.points[None], MINI_PROJECTION)[0]
            said = (unit(patch_tokens(clip, depth_to_input(depth, spec), "value", 3)) @ words.T).argmax(-1).numpy()
            shown = label_maps(cloud.points, cloud.parts, MINI_PROJECTION)
            cells = shown.reshape(len(shown), 8, PATCH, 8, PATCH)
            shares = np.stack([(cells == part).mean(axis=(2, 4)) for part in range(len(parts))], axis=-1)
            clear = shares.max(axis=-1) > 0.5
            right += float((said == shares.argmax(axis=-1))[clear].sum())
            asked += float(clear.sum())
    assert right / asked > 0.7
