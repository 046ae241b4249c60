"""`opendlign pretrain-mini`: pairs that tell the truth, a run that repeats, and a folder that loads."""

import json
from pathlib import Path

import numpy as np
import pytest

from opendlign.main import main
from opendlign.mini_corpus import Corpus, CorpusRecipe, Words, build_corpus, corpus_indices
from opendlign.pretrain import SUMMARY_FILE, affordable_steps, mini_part_training, mini_pretraining
from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.ingestion.procedural import LABELS, procedural_entry
from opendlign_core.training import PretrainRecipe, mini_architecture
from tests.threads import torch_threads

WORDS = (
    Words("mug", "red", "a red metal mug"),
    Words("mug", "blue", "a blue ceramic mug"),
    Words("potted plant", "red", "a red clay potted plant with long leaves"),
)
TINY = PretrainRecipe(
    architecture=mini_architecture(width=32, layers=1, embed_dim=16), steps=3, batch_size=3, peak_lr=1e-3
)


def corpus_of(**changes: float) -> Corpus:
    """Three objects of two views; view v of object o is 10 o + v on its left half and 100 more on its right."""
    images = np.zeros((3, 2, 64, 64, 3), np.uint8)
    images += (10 * np.arange(3)[:, None] + np.arange(2)).astype(np.uint8)[..., None, None, None]
    images[..., 32:, :] += 100
    return Corpus(CorpusRecipe(**changes), images[..., 0] / np.float32(255), images, WORDS)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["label", "colour", "caption"])
def test_the_sentences_of_a_batch_are_of_one_kind_and_true(kind: str) -> None:
    shares = {"label": (1.0, 0.0), "colour": (0.0, 1.0), "caption": (0.0, 0.0)}[kind]
    corpus = corpus_of(label_share=shares[0], colour_share=shares[1])
    for seed in range(40):
        captions = corpus.captions(np.random.default_rng(seed), np.arange(3))
        said = {"label": [w.label for w in WORDS], "colour": [f"{w.colour} {w.label}" for w in WORDS]}
        expected = said.get(kind, [w.caption for w in WORDS])
        assert all(words in caption for words, caption in zip(expected, captions, strict=True))
        # Two mugs are one sentence only when nothing but the category is told.
        assert (captions[0] == captions[1]) == (kind == "label")


def test_batches_vary_the_turn_of_phrase() -> None:
    corpus = corpus_of(label_share=1.0)
    said = {corpus.captions(np.random.default_rng(seed), np.arange(1))[0] for seed in range(60)}
    assert len(said) > 30


def test_a_batch_pairs_each_image_with_its_own_words() -> None:
    corpus = corpus_of(label_share=0.0, colour_share=0.0, flip=0.5)
    flipped = set()
    for seed in range(20):
        images, captions, _ = corpus.draw(np.random.default_rng(seed), 3)
        for image, caption in zip(images, captions, strict=True):
            edge = int(image[0, :, 0].min())
            assert WORDS[edge // 10].caption in caption
            flipped.add(bool(image[0, 0, 0] > image[0, -1, 0]))
    assert flipped == {True, False}
    assert corpus.images[0, 0, 0, 0, 0] == 0, "mirroring must not reach into the corpus"


def test_only_objects_of_the_asked_split_are_taken_and_all_categories_alike() -> None:
    recipe = CorpusRecipe(rounds=10)
    indices = corpus_indices(recipe)
    entries = [procedural_entry(recipe.seed, index) for index in indices[:: len(LABELS) + 1]]
    assert {entry.split for entry in entries} == {"train"}
    assert len(indices) == 7 * len(LABELS)
    assert np.bincount(np.asarray(indices) % len(LABELS)).tolist() == [7] * len(LABELS)


def test_a_corpus_does_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opendlign.mini_corpus.corpus_indices", lambda recipe: [0, 1, 11])
    one, two = build_corpus(CorpusRecipe(), workers=1), build_corpus(CorpusRecipe(), workers=2)
    assert np.array_equal(one.images, two.images)
    assert np.array_equal(one.depth, two.depth)
    assert one.words[2].label == "mug"
    assert one.images.shape == (3, 10, 64, 64, 3)


def test_more_time_affords_more_steps() -> None:
    corpus = corpus_of()
    few, many = affordable_steps(corpus, TINY, 1.0), affordable_steps(corpus, TINY, 60.0)
    assert 1 <= few < many


def test_the_command_leaves_weights_log_and_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small"
    with torch_threads(2), pytest.raises(SystemExit) as ended:
        main(["pretrain-mini", "--out", str(out), "--steps", "2", "--rounds", "1"])
    assert ended.value.code == 0
    spec = ClipSpec.from_folder(out)
    assert load_clip(spec).visual.image_size == (64, 64)
    assert len((out / "pretrain.jsonl").read_text().splitlines()) == 2
    summary = json.loads((out / SUMMARY_FILE).read_text())
    assert summary["training"] == mini_pretraining(2).model_dump(mode="json")
    assert summary["corpus"]["rounds"] == 1
    assert summary["held_out"]["objects"] == len(LABELS)
    parts = json.loads((out / "parts" / SUMMARY_FILE).read_text())
    assert parts["training"] == mini_part_training(2).model_dump(mode="json")
    assert summary["start_sha256"] is None
    assert parts["start_sha256"] == spec.weights_sha256 != ClipSpec.from_folder(out / "parts").weights_sha256
    assert capsys.readouterr().out.count("of unseen painted shapes named") == 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--steps", "5", "--minutes", "1"], "not both"),
        (["--steps", "0"], "must be positive"),
        (["--minutes", "-1"], "must be positive"),
        (["--threads", "0"], "must be positive"),
    ],
)
def test_bad_wishes_end_in_one_line(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pretrain-mini", "--out", str(tmp_path / "x"), *words])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "x").exists()
