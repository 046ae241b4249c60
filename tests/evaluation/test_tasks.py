import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendlign_core.clip import unit_array
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import (
    FEW_SHOT,
    RETRIEVAL,
    VIEWS,
    ZERO_SHOT,
    EvalExecution,
    EvalRecipe,
    EvalSample,
    evaluate,
)
from opendlign_core.evaluation.classification.pointclip import read_sentences, search_sentences, search_weights
from opendlign_core.evaluation.classification.ranking import retrieval_scores
from opendlign_core.evaluation.classification.regression import draw_shots, few_shot_accuracy
from opendlign_core.evaluation.classification.scoring import views_of_count
from opendlign_core.evaluation.features import Floats
from opendlign_core.evaluation.specs import FewShotSpec, SearchSpec
from tests.evaluation.sources import CLASSES, TEXT, ListSource
from tests.evaluation.tiny import random_samples, seeded_model


def clusters(count: int, classes: int, noise: float, seed: int = 0) -> tuple[Floats, Any]:
    """View features [N, 10, 16] around one centre per class."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, 1, 16))
    labels = np.arange(count) % classes
    return unit_array((centres[labels] + noise * rng.normal(size=(count, 10, 16))).astype(np.float32)), labels


def source(images: bool = False) -> ListSource:
    return ListSource(random_samples(24, CLASSES, 0, images), random_samples(30, CLASSES, 1, images))


def recipe(**changes: Any) -> EvalRecipe:
    values: dict[str, Any] = {
        "datasets": [{"name": "small", "labels": CLASSES}],
        "methods": [{"name": "opendlign", "text": TEXT}, {"name": "training-free", "text": TEXT, "branches": "base"}],
        "bootstrap": {"samples": 50},
        "few_shot": {"shots": (1, 2), "seeds": (0, 1), "iterations": 20},
        **changes,
    }
    return EvalRecipe.model_validate(values)


def test_all_tasks_of_a_recipe() -> None:
    tasks = ("zero-shot", "few-shot", "views", "retrieval")
    results, _ = evaluate(seeded_model(), recipe(tasks=tasks), source(images=True))
    assert [(row.method, row.shots) for row in results.of(FEW_SHOT)] == [
        ("opendlign", 1),
        ("opendlign", 2),
        ("training-free", 1),
        ("training-free", 2),
    ]
    assert all(len(row.accuracies) == 2 for row in results.of(FEW_SHOT))
    assert [len(row.views) for row in results.of(VIEWS)] == [*range(1, 11), *range(1, 11)]
    full = {row.method: row.top1.value for row in results.of(ZERO_SHOT)}
    assert all(row.top1 == full[row.method] for row in results.of(VIEWS) if len(row.views) == 10)
    assert [row.query for row in results.of(RETRIEVAL)] == ["text", "image", "shape", "text+image"]
    assert set(results.seconds) >= {"features", "texts", "zero-shot", "few-shot", "retrieval"}


def test_image_queries_are_left_out_with_a_note_where_nothing_was_painted() -> None:
    results, _ = evaluate(seeded_model(), recipe(tasks=("retrieval",)), source())
    assert [row.query for row in results.of(RETRIEVAL)] == ["text", "shape"]
    assert "no painted images" in results.notes[0]


def test_objects_without_painted_images_are_no_image_queries() -> None:
    data = source(images=True)
    half = [sample if row % 2 else replace(sample, images=None) for row, sample in enumerate(data.test)]
    results, _ = evaluate(seeded_model(), recipe(tasks=("retrieval",)), ListSource(half))
    assert {row.query: row.queries for row in results.of(RETRIEVAL)} == {
        "text": 6, "image": 12, "shape": 24, "text+image": 12
    }  # fmt: skip
    assert {row.gallery for row in results.of(RETRIEVAL)} == {24}
    assert results.notes == ()
    batched, _ = evaluate(
        seeded_model(), recipe(tasks=("retrieval",)), ListSource(half), EvalExecution(image_batch=10)
    )
    for one, other in zip(results.of(RETRIEVAL), batched.of(RETRIEVAL), strict=True):
        assert one.mean_average_precision == pytest.approx(other.mean_average_precision, abs=1e-6)


def test_an_image_never_finds_its_own_shape() -> None:
    data = source(images=True)
    plain = [replace(sample, images=None) for sample in data.test if sample.label != "desk"]
    only_desk = next(sample for sample in data.test if sample.label == "desk")
    results, _ = evaluate(seeded_model(), recipe(tasks=("retrieval",)), ListSource([*plain, only_desk]))
    found = {row.query: row.queries for row in results.of(RETRIEVAL)}
    assert (found["image"], found["shape"]) == (0, len(plain)), "nothing else is a desk"


def test_a_searched_method_is_asked_too() -> None:
    settings = {"levels": (0.5, 1.0), "fixed_views": 8}
    plan = recipe(methods=[head("test-labels")], search=settings, tasks=("retrieval", "views"), view_counts=(10,))
    results, _ = evaluate(seeded_model(), plan, source())
    assert [(row.query, row.searched_on_test) for row in results.of(RETRIEVAL)] == [("text", True), ("shape", True)]
    assert all(row.searched_on_test for row in results.of(VIEWS))


def test_training_is_needed_for_few_shot() -> None:
    dataset = {"name": "small", "labels": CLASSES, "train_split": None}
    with pytest.raises(ValueError, match=r"small: few-shot.* need a train_split"):
        evaluate(seeded_model(), recipe(tasks=("few-shot",), datasets=[dataset]), source())


def test_few_shot_learns_and_more_shots_help() -> None:
    train, train_labels = clusters(200, 5, 1.5, seed=1)
    test, test_labels = clusters(100, 5, 1.5, seed=2)
    found = [few_shot_accuracy(train, train_labels, test, test_labels, k, 0, FewShotSpec()) for k in (1, 16)]
    assert found[0] > 0.5
    assert found[1] >= found[0]
    assert found[1] > 0.9


def test_few_shot_with_two_classes() -> None:
    train, labels = clusters(40, 2, 0.5)
    assert few_shot_accuracy(train, labels, train, labels, 4, 0, FewShotSpec()) > 0.9
    with pytest.raises(ValueError, match="two classes"):
        few_shot_accuracy(train, np.zeros_like(labels), train, labels, 4, 0, FewShotSpec())


def test_shots_are_per_class_nested_and_seeded() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    two, one = draw_shots(labels, 2, seed=3), draw_shots(labels, 1, seed=3)
    assert np.bincount(labels[two]).tolist() == [2, 2, 1]
    assert set(one) <= set(two)
    assert any(set(draw_shots(labels, 2, seed)) != set(two) for seed in range(4, 12))


def test_view_counts_take_from_both_sides() -> None:
    for count in range(1, 11):
        views = views_of_count(count, 10)
        assert len(set(views)) == count
        assert sum(view < 5 for view in views) == count // 2
    assert views_of_count(10, 10) == list(range(10))
    with pytest.raises(ValueError, match="11 views asked for"):
        views_of_count(11, 10)


def test_retrieval_numbers_by_hand() -> None:
    gallery = unit_array(np.array([[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.5]], np.float32))
    labels = np.array([0, 1, 1, 0])
    found = retrieval_scores(unit_array(np.array([[1, 0]], np.float32)), np.array([1]), gallery, labels, (1, 2))
    assert found.recall == {1: 0.0, 2: 1.0}
    assert found.mean_average_precision == pytest.approx((1 / 2 + 2 / 4) / 2)
    own = retrieval_scores(gallery[:1], labels[:1], gallery, labels, (1, 3), own=np.array([0]))
    assert own.recall == {1: 0.0, 3: 1.0}
    assert own.mean_average_precision == pytest.approx(1 / 2)


def test_queries_without_anything_relevant_do_not_count() -> None:
    gallery = unit_array(np.eye(3, dtype=np.float32))
    found = retrieval_scores(gallery, np.array([0, 1, 9]), gallery, np.array([0, 1, 2]))
    assert found.queries == 2
    assert found.mean_average_precision == 1.0


def test_average_precision_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    queries, gallery = (unit_array(rng.normal(size=(n, 8)).astype(np.float32)) for n in (20, 300))
    labels, own = rng.integers(0, 6, 300), rng.integers(0, 6, 20)
    expected = [
        metrics.average_precision_score(labels == label, query @ gallery.T)
        for query, label in zip(queries, own, strict=True)
    ]
    found = retrieval_scores(queries, own, gallery, labels)
    assert found.mean_average_precision == pytest.approx(np.mean(expected), abs=1e-6)


def head(search: str) -> dict[str, Any]:
    values = {"name": "v2", "text": ("{}",), "branches": "base", "aggregation": "pointclip-v2", "pixels": "none"}
    return {**values, "search": search}


def test_honest_search_never_reads_the_test_labels() -> None:
    settings = {"levels": (0.5, 1.0), "fixed_views": 8, "validation_share": 0.4}
    data = source()
    results, _ = evaluate(seeded_model(), recipe(methods=[head("train-split")], search=settings), data)
    shuffled = [EvalSample(s.object_id, CLASSES[(i * 5 + 2) % 6], s.depth) for i, s in enumerate(data.test)]
    other, _ = evaluate(
        seeded_model(), recipe(methods=[head("train-split")], search=settings), ListSource(shuffled, data.train)
    )
    assert results.of(ZERO_SHOT)[0].search == other.of(ZERO_SHOT)[0].search
    assert not results.of(ZERO_SHOT)[0].searched_on_test
    record = results.of(ZERO_SHOT)[0].search
    assert record is not None
    assert record["objects"] + record["held_out"] == 30


def test_search_on_test_labels_is_marked(tmp_path: Path) -> None:
    library = tmp_path / "library.json"
    library.write_text(json.dumps({name: [f"a {name}", f"one {name} alone", name.upper()] for name in CLASSES}))
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    settings = {"levels": (0.5, 1.0), "fixed_views": 8}
    dataset = {"name": "small", "labels": CLASSES, "sentences_sha256": digest}
    plan = recipe(methods=[head("test-labels")], search=settings, datasets=[dataset])
    results, _ = evaluate(seeded_model(), plan, source(), EvalExecution(libraries=(str(library),)))
    row = results.of(ZERO_SHOT)[0]
    assert row.searched_on_test
    assert row.search is not None
    assert row.search["accuracy_after"] >= row.search["accuracy_before"]
    assert row.top1.value == pytest.approx(row.search["accuracy_after"])
    no_train = recipe(methods=[head("test-labels")], search=settings, datasets=[{**dataset, "train_split": None}])
    alone, _ = evaluate(seeded_model(), no_train, ListSource(source().test), EvalExecution(libraries=(str(library),)))
    assert alone.of(ZERO_SHOT)[0].search == row.search, "it looks at the test split alone"
    with pytest.raises(BadInput, match="name its file in `libraries`"):
        evaluate(seeded_model(), plan, source())


def test_sentence_library_needs_every_class(tmp_path: Path) -> None:
    path = tmp_path / "library.json"
    path.write_text(json.dumps({"night_stand": ["x"], "chair": [" y"]}))
    assert read_sentences(path, ("chair", "night stand")) == ((" y",), ("x",))
    with pytest.raises(ValueError, match="no sentences for table"):
        read_sentences(path, ("chair", "table"))
    path.write_text("[1]")
    with pytest.raises(ValueError, match="must hold one JSON object"):
        read_sentences(path, ("chair",))


def test_sentence_search_equals_the_plain_loop() -> None:
    views, labels = clusters(60, 5, 2.5)
    objects = views.sum(axis=1)
    rng = np.random.default_rng(5)
    text = unit_array(rng.normal(size=(5, 16)).astype(np.float32))
    library = [unit_array(rng.normal(size=(9, 16)).astype(np.float32)) for _ in range(5)]
    current, best, chosen = text.copy(), ((objects @ text.T).argmax(1) == labels).mean(), [-1] * 5
    for _ in range(2):
        for place in range(5):
            for number, sentence in enumerate(library[place]):
                trial = current.copy()
                trial[place] = sentence
                accuracy = ((objects @ trial.T).argmax(1) == labels).mean()
                if accuracy > best:
                    current, best, chosen[place] = trial, accuracy, number
    found = search_sentences(objects, labels, text, library, 2)
    assert list(found.chosen) == chosen
    assert found.after == best
    assert found.after > found.before


def test_weights_stay_when_nothing_beats_equal_views() -> None:
    views, labels = clusters(20, 2, 0.01)
    text = unit_array(np.random.default_rng(99).normal(size=(2, 1, 16))[:, 0].astype(np.float32))
    found = search_weights(views, labels, text, (0.3,) * 10, SearchSpec(levels=(0.5, 1.0)))
    assert found.weights == (0.3,) * 10
    assert found.before == found.after == 1.0
