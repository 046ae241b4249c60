from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opendlign_core.evaluation import (
    EmbeddingIndex,
    build_index,
    classification_picture,
    classify,
    hits_picture,
    query_embedding,
    search,
)
from opendlign_core.evaluation.model import text_classifier
from opendlign_core.evaluation.objects import Classification, view_captions
from opendlign_core.evaluation.specs import METHODS, MethodSpec
from tests.evaluation.tiny import random_samples, seeded_model

LABELS = ("chair", "table", "lamp")
METHOD = MethodSpec(name="short", text=("a {}.",))


def test_probabilities_sum_to_one_and_follow_the_cosines() -> None:
    model, samples = seeded_model(), random_samples(5, LABELS)
    found = list(classify(model, samples, LABELS, METHOD))
    assert [row.object_id for row in found] == [sample.object_id for sample in samples]
    for row in found:
        assert row.probabilities.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(row.view_probabilities.sum(axis=1), 1, atol=1e-5)
        assert row.ranked()[0][0] == row.prediction
        assert [share for _, share in row.ranked()] == sorted(row.probabilities.tolist(), reverse=True)


def test_a_label_is_judged_by_its_words_not_its_place() -> None:
    model, samples = seeded_model(), random_samples(2, LABELS)
    forward = next(classify(model, samples, LABELS, METHOD)).ranked()
    backward = next(classify(model, samples, LABELS[::-1], METHOD)).ranked()
    assert [name for name, _ in forward] == [name for name, _ in backward]


@pytest.mark.parametrize("labels", [(), ("chair", "Chair")])
def test_labels_that_make_no_question_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="the labels"):
        next(classify(seeded_model(), random_samples(1, LABELS), labels, METHOD))


def test_picture_shows_ten_views() -> None:
    sample = random_samples(1, LABELS)[0]
    found = next(classify(seeded_model(), [sample], LABELS, METHOD))
    small, large = classification_picture(sample, found, tile=64), classification_picture(sample, found, tile=128)
    assert small.width > 5 * 64
    assert small.height > 2 * 64
    assert large.width > 5 * 128


def test_a_view_is_told_its_own_best_label_and_how_sure_it_is() -> None:
    views = np.array([[0.7, 0.2, 0.1], [0.1, 0.009, 0.891]], np.float32)
    found = Classification("set/0", LABELS, views.mean(axis=0), views)
    assert view_captions(found) == ["chair 70%", "lamp 89%"]


def test_a_shape_finds_itself_first(tmp_path: Path) -> None:
    model, samples, path = seeded_model(), random_samples(12, LABELS), tmp_path / "index.parquet"
    assert build_index(model, samples, path, image_batch=30) == 12
    index = EmbeddingIndex(path)
    for sample in samples[:4]:
        hits = search(model, index, query_embedding(model, shape=sample), top=3)
        assert hits[0].object_id == sample.object_id
        assert hits[0].score == pytest.approx(1, abs=1e-5)
        assert hits[0].score >= hits[1].score >= hits[2].score


def test_words_and_pictures_ask_too_and_streaming_agrees(tmp_path: Path) -> None:
    model, path = seeded_model(), tmp_path / "index.parquet"
    build_index(model, random_samples(12, LABELS), path)
    picture = np.random.default_rng(0).random((40, 32, 3), dtype=np.float32)
    words = query_embedding(model, text="a wooden chair with four legs")
    both = query_embedding(model, text="a wooden chair with four legs", image=picture)
    assert not np.allclose(words, both)
    for query in (words, both, query_embedding(model, image=picture)):
        assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)
        assert search(model, EmbeddingIndex(path), query, 5) == search(model, path, query, 5)


def test_text_query_equals_the_classifier_of_the_same_words() -> None:
    model = seeded_model()
    expected = text_classifier(model, ("chair",), ("a {}.",)).numpy()
    np.testing.assert_allclose(query_embedding(model, text="a chair."), expected, atol=1e-6)
    with pytest.raises(ValueError, match="needs words"):
        query_embedding(model)


@pytest.mark.parametrize(("built", "asked"), [(0, 1), (1, 0)])
def test_an_index_of_another_model_is_refused(tmp_path: Path, built: int, asked: int) -> None:
    path = tmp_path / "index.parquet"
    build_index(seeded_model(built), random_samples(3, LABELS), path)
    other = seeded_model(asked)
    query = query_embedding(other, text="chair")
    for index in (path, EmbeddingIndex(path)):
        with pytest.raises(ValueError, match=f"built with model seeded-{built}"):
            search(other, index, query)


def test_picture_of_the_hits(tmp_path: Path) -> None:
    model, path = seeded_model(), tmp_path / "index.parquet"
    build_index(model, random_samples(7, LABELS), path, METHODS["training-free"])
    hits = search(model, path, query_embedding(model, text="lamp"), 6)
    assert all(hit.preview for hit in hits)
    sheet = hits_picture(hits, columns=3, tile=64)
    assert isinstance(sheet, Image.Image)
    assert sheet.width > 3 * 64
    assert sheet.height > 2 * 64
    row_of_five = hits_picture(hits, tile=64)
    assert 5 * 64 < row_of_five.width < 6 * 64
    assert row_of_five.height > 2 * 64
    with pytest.raises(ValueError, match="no hits"):
        hits_picture([])
