"""The weights that ship with the product: what they weigh, where they come from, and what they can tell apart."""

import json
from dataclasses import dataclass

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray

from flows.preset import load_preset
from opendlign.mini_corpus import MINI_PROJECTION, Corpus, CorpusRecipe, build_corpus
from opendlign.pretrain import SUMMARY_FILE, mini_pretraining
from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.clip.spec import CONFIG_FILE, WEIGHTS_FILE, packaged_folder
from opendlign_core.evaluation import METHODS, EvalSample, EvaluatedModel
from opendlign_core.evaluation.classification.scoring import aggregate
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import ViewFeatures, plan_for
from opendlign_core.evaluation.model import encode_texts, text_classifier
from opendlign_core.ingestion.procedural import LABELS
from opendlign_core.training import DepthAlignedCLIP, PretrainRecipe

FOLDER = packaged_folder("mini")


@dataclass(frozen=True)
class Judged:
    """Unseen objects, two of each category, and what the frozen model makes of them."""

    corpus: Corpus
    model: EvaluatedModel
    features: ViewFeatures

    @property
    def labels(self) -> list[str]:
        return [word.label for word in self.corpus.words]

    def named(self, views: NDArray[np.float32], classes: tuple[str, ...], text: str) -> list[str]:
        """The class of each object's views [N, V, E]."""
        classifier = text_classifier(self.model, classes, text).numpy()  # type: ignore[arg-type]
        return [classes[place] for place in aggregate(views @ classifier.T, "reference").argmax(axis=1)]


@pytest.fixture(scope="module")
def judged() -> Judged:
    spec = ClipSpec.packaged("mini")
    corpus = build_corpus(CorpusRecipe(seed=99, rounds=10, split="test"))
    model = EvaluatedModel.aligned(DepthAlignedCLIP(load_clip(spec)), spec, "test")
    rows = enumerate(zip(corpus.words, corpus.depth, corpus.images, strict=True))
    samples = [EvalSample(str(row), word.label, depth, images) for row, (word, depth, images) in rows]
    plan = plan_for(METHODS["training-free"], corpus.depth.shape[1])
    return Judged(corpus, model, Extractor(model, plan).extract(samples))


def share(named: list[str], labels: list[str]) -> float:
    return float(np.mean([one == other for one, other in zip(named, labels, strict=True)]))


def test_everything_shipped_stays_below_ten_megabytes() -> None:
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert {CONFIG_FILE, WEIGHTS_FILE, "MODEL_CARD.md", "pretrain.jsonl", SUMMARY_FILE} <= files.keys()
    assert sum(files.values()) < 10_000_000


def test_the_files_are_those_of_the_stated_recipe() -> None:
    summary = json.loads((FOLDER / SUMMARY_FILE).read_text())
    steps = summary["training"]["steps"]
    # Read as recipes: one written before a field existed means that field's default.
    assert PretrainRecipe.model_validate(summary["training"]) == mini_pretraining(steps)
    assert CorpusRecipe.model_validate(summary["corpus"]) == CorpusRecipe(rounds=summary["corpus"]["rounds"])
    assert len((FOLDER / "pretrain.jsonl").read_text().splitlines()) == steps
    config = json.loads((FOLDER / CONFIG_FILE).read_text())
    assert config["model_cfg"] == summary["training"]["architecture"]


def test_open_clip_itself_loads_the_folder() -> None:
    theirs = open_clip.create_model(f"local-dir:{FOLDER}").state_dict()
    ours = load_clip(ClipSpec.packaged("mini")).state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_the_preset_judges_shapes_that_the_weights_never_saw() -> None:
    preset = load_preset("mini")
    assert preset.recipes["project"] == MINI_PROJECTION
    assert preset.recipes["train"].clip == ClipSpec.packaged("mini")
    assert int(preset.source.source.option("seed", "0")) != CorpusRecipe().seed


def test_it_names_unseen_objects_from_their_painted_images(judged: Judged) -> None:
    assert share(judged.named(judged.features.images, LABELS, "imagenet"), judged.labels) > 0.6


def test_it_names_some_unseen_depth_maps_though_it_saw_none(judged: Judged) -> None:
    depth = share(judged.named(judged.features.base, LABELS, "depth"), judged.labels)
    painted = share(judged.named(judged.features.images, LABELS, "imagenet"), judged.labels)
    assert 10 / len(LABELS) < depth < painted


def test_chair_table_and_lamp_are_told_apart(judged: Judged) -> None:
    classes = ("chair", "table", "lamp")
    rows = [row for row, label in enumerate(judged.labels) if label in classes]
    named = judged.named(judged.features.images[rows], classes, "imagenet")
    assert share(named, [judged.labels[row] for row in rows]) > 0.8


def test_a_sentence_finds_its_category_and_its_colour(judged: Judged) -> None:
    means = judged.features.images.mean(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    queries = [f"a {word.colour} {word.label}" for word in judged.corpus.words]
    texts = encode_texts(judged.model, queries).numpy()
    best = (texts @ means.T).argmax(axis=1)
    found = [judged.corpus.words[place] for place in best]
    assert share([word.label for word in found], judged.labels) > 0.6
    assert share([word.colour for word in found], [word.colour for word in judged.corpus.words]) > 0.4
