"""The search of PointCLIP V2 against trying everything, and what is kept of it."""

import itertools

import numpy as np
import pytest

from opendlign_core.clip import unit_array
from opendlign_core.evaluation import EvalExecution, MethodSpec, SearchSpec
from opendlign_core.evaluation.classification import pointclip
from opendlign_core.evaluation.classification.head import HeadSearch
from opendlign_core.evaluation.classification.labelled import LabelledFeatures
from opendlign_core.evaluation.classification.metrics import Ints
from opendlign_core.evaluation.classification.pointclip import fit_and_validation, pooled, search_weights
from opendlign_core.evaluation.features import FeaturePlan, Floats, ViewFeatures
from tests.evaluation.tiny import seeded_model

METHOD = MethodSpec(name="head", branches="base", aggregation="pointclip-v2", search="test-labels")


def drawn(objects: int, views: int = 4, classes: int = 3, seed: int = 0) -> tuple[Floats, Ints, Floats]:
    """Views [N, V, 8], of which only the last two know the class, labels [N] and class texts [C, 8]."""
    rng = np.random.default_rng(seed)
    text = unit_array(rng.normal(size=(classes, 8)))
    labels = np.arange(objects) % classes
    noise = rng.normal(size=(objects, views, 8))
    noise[:, -2:] = 0.45 * noise[:, -2:] + 1.2 * text[labels][:, None]
    return unit_array(noise), labels, text


def accuracy(views: Floats, labels: Ints, text: Floats, weights: tuple[float, ...]) -> float:
    scores = sum(weight * views[:, view] @ text.T for view, weight in enumerate(weights))
    return float((np.asarray(scores).argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("fixed", [0, 1, 3])
def test_weights_are_the_first_of_the_best_of_all_combinations(fixed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointclip, "_ROWS", 7)
    views, labels, text = drawn(60)
    spec = SearchSpec(levels=(0.1, 0.5, 1.0), fixed_views=fixed, fixed_weight=0.75)
    tried = {(*(0.75,) * fixed, *free): 0.0 for free in itertools.product(spec.levels, repeat=views.shape[1] - fixed)}
    tried = {weights: accuracy(views, labels, text, weights) for weights in tried}
    found = search_weights(views, labels, text, (1.0,) * 4, spec)
    best = max(tried.values())
    assert found.before == accuracy(views, labels, text, (1.0,) * 4)
    assert found.after == best > found.before
    assert found.weights == next(weights for weights, share in tried.items() if share == best)


def test_equal_views_are_the_bar_whatever_the_weights_before() -> None:
    views, labels, text = drawn(60)
    spec = SearchSpec(levels=(1.0,), fixed_views=0)
    found = search_weights(views, labels, text, (0.3, 0.1, 0.2, 0.9), spec)
    assert found.weights == (0.3, 0.1, 0.2, 0.9)
    assert found.before == found.after == accuracy(views, labels, text, (1.0,) * 4)


def test_views_are_pooled_by_weight() -> None:
    views = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    np.testing.assert_allclose(pooled(views, (1, 0.5, 2)), [[18, 21.5, 25, 28.5]])


def test_the_held_out_part_is_a_share_drawn_from_the_seed() -> None:
    fit, held = fit_and_validation(20, SearchSpec(validation_share=0.25, seed=3))
    assert (len(fit), len(held)) == (15, 5)
    assert sorted([*fit, *held]) == list(range(20))
    assert list(fit) == sorted(fit)
    assert list(held) == sorted(held)
    assert list(fit_and_validation(20, SearchSpec(validation_share=0.25, seed=4))[1]) != list(held)
    assert len(fit_and_validation(3, SearchSpec(validation_share=0.1))[1]) == 1, "never nothing"


def labelled(views: Floats, labels: Ints, classes: int = 3) -> LabelledFeatures:
    every = tuple(range(views.shape[1]))
    ids = tuple(map(str, range(len(views))))
    nothing = np.zeros((len(views), 0, 0), np.float32)
    features = ViewFeatures(ids, (None,) * len(views), FeaturePlan(every, ()), views, nothing, nothing)
    return LabelledFeatures(features, labels, tuple("abc"[:classes]), 0)


def searching(**spec: object) -> HeadSearch:
    settings = SearchSpec.model_validate({"levels": (0.1, 1.0), "fixed_views": 0, **spec})
    return HeadSearch(seeded_model(), settings, EvalExecution(device="cpu"), None)


def test_a_search_on_test_labels_uses_everything_and_keeps_what_it_finds() -> None:
    views, labels, text = drawn(60)
    head = searching().run(METHOD, labelled(views, labels), text)
    record = head.search
    assert record is not None
    weights = head.method.view_weights
    assert weights is not None
    assert (record["on"], record["objects"], record["held_out"], record["kept"]) == ("test-labels", 60, 0, True)
    assert record["view_weights"] == weights
    assert record["sentences"] == (-1, -1, -1), "there was no library to choose from"
    assert record["accuracy_before"] == accuracy(views, labels, text, (1.0,) * 4)
    assert record["accuracy_after"] == accuracy(views, labels, text, weights) > record["accuracy_before"]
    assert head.text is text


def test_an_honest_search_fits_on_one_part_and_is_judged_on_the_other() -> None:
    views, labels, text = drawn(80)
    honest = METHOD.model_copy(update={"search": "train-split"})
    head = searching(validation_share=0.25).run(honest, labelled(views, labels), text)
    record, (fit, held) = head.search, fit_and_validation(80, SearchSpec(validation_share=0.25))
    assert record is not None
    assert (record["on"], record["objects"], record["held_out"]) == ("train-split", 60, 20)
    expected = search_weights(
        views[fit], labels[fit], text, (1.0,) * 4, SearchSpec(levels=(0.1, 1.0), fixed_views=0)
    ).weights
    assert record["accuracy_before"] == accuracy(views[held], labels[held], text, (1.0,) * 4)
    assert record["accuracy_after"] == accuracy(views[held], labels[held], text, expected)
    assert record["kept"] == (record["accuracy_after"] > record["accuracy_before"])


def test_what_does_not_help_on_the_held_out_part_is_dropped() -> None:
    views, labels, text = drawn(40)
    _, held = fit_and_validation(40, SearchSpec(validation_share=0.2))
    views[held] = unit_array(text[labels[held]])[:, None]  # right whatever the weights
    honest = METHOD.model_copy(update={"search": "train-split", "view_weights": (0.5, 0.5, 1.0, 1.0)})
    head = searching(validation_share=0.2).run(honest, labelled(views, labels), text)
    record = head.search
    assert record is not None
    assert (record["kept"], record["accuracy_before"], record["accuracy_after"]) == (False, 1.0, 1.0)
    assert head.method == honest
    assert head.text is text
    assert (record["view_weights"], record["sentences"]) == ((0.5, 0.5, 1.0, 1.0), ())


def test_among_equal_scores_the_sentence_of_the_lower_class_wins() -> None:
    # Objects 0 and 1 score 1 for both classes; a candidate that ties must win for class 0 and lose for class 1.
    objects = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    text = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    library = [np.array([[1.0, 0.0]], np.float32), np.array([[1.0, 0.0]], np.float32)]
    lower = pointclip.search_sentences(objects, np.array([0, 0]), text, library, 1)
    assert (lower.chosen, lower.before, lower.after) == ((0, -1), 0.0, 1.0)
    upper = pointclip.search_sentences(objects, np.array([1, 1]), text, library, 1)
    assert (upper.chosen, upper.before, upper.after) == ((-1, -1), 1.0, 1.0)


def test_more_sweeps_find_what_one_misses() -> None:
    rng = np.random.default_rng(3)
    gains = []
    for _ in range(20):
        objects, labels = unit_array(rng.normal(size=(40, 6))), rng.integers(0, 4, 40)
        text = unit_array(rng.normal(size=(4, 6)))
        library = [unit_array(rng.normal(size=(12, 6))) for _ in range(4)]
        one, two = (pointclip.search_sentences(objects, labels, text, library, sweeps) for sweeps in (1, 2))
        assert one.before == two.before <= one.after <= two.after
        gains.append(two.after > one.after)
    assert any(gains)
