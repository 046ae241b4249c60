import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from opendlign_core.evaluation.classification.metrics import (
    count_classes,
    f1_interval,
    label_ranks,
    macro_averages,
    share_interval,
)
from opendlign_core.evaluation.specs import BootstrapSpec

SCORES = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 20), st.integers(1, 8)), elements=st.sampled_from([0, 0.5, 1])
)


@given(SCORES, st.integers(0, 2**32 - 1))
def test_rank_is_the_place_in_a_stable_sort(scores: NDArray[np.float32], seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, scores.shape[1], len(scores))
    order = np.argsort(-scores, axis=1, kind="stable")
    expected = [list(row).index(label) for row, label in zip(order, labels, strict=True)]
    assert label_ranks(scores, labels).tolist() == expected
    assert ((label_ranks(scores, labels) == 0) == (scores.argmax(1) == labels)).all()


def test_macro_averages_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 6, 100), rng.random((100, 9), dtype=np.float32)
    macro = count_classes(scores, labels).macro()
    expected = metrics.precision_recall_fscore_support(
        labels, scores.argmax(1), labels=range(9), average="macro", zero_division=0
    )
    assert (macro.precision, macro.recall, macro.f1) == pytest.approx(expected[:3])


def test_intervals_equal_resampling_objects() -> None:
    rng = np.random.default_rng(1)
    labels, predictions = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    predictions[:150] = labels[:150]
    hits = labels == predictions
    drawn = rng.integers(0, 300, (2000, 300))
    spec = BootstrapSpec(samples=2000)
    found = share_interval(float(hits.mean()), 300, spec)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(np.quantile(hits[drawn].mean(1), [0.025, 0.975]), abs=0.01)
    confusion = np.bincount(labels * 4 + predictions, minlength=16).reshape(4, 4)
    tables = [np.bincount(labels[d] * 4 + predictions[d], minlength=16).reshape(4, 4) for d in drawn]
    f1 = f1_interval(confusion, spec)
    assert f1 is not None
    expected = np.quantile([macro_averages(table).f1 for table in tables], [0.025, 0.975])
    assert (f1.low, f1.high) == pytest.approx(expected, abs=0.01)


def test_what_is_not_a_number_is_the_worst() -> None:
    nan = np.nan
    scores = np.array([[nan, nan, nan], [nan, 1, 0], [0, nan, 1], [nan, nan, 0]], np.float32)
    assert label_ranks(scores, np.array([0, 0, 2, 2])).tolist() == [5, 5, 0, 0]
    counters = count_classes(scores, np.array([1, 0, 2, 2]))
    assert counters.hits[1].tolist() == [0, 0, 2]
    assert counters.confusion.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 2]]


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_what_is_not_a_number_is_no_hit_however_few_classes_there_are(classes: int) -> None:
    scores = np.full((3, classes), np.nan, np.float32)
    counters = count_classes(scores, np.zeros(3, np.int64))
    assert {k: int(hits.sum()) for k, hits in counters.hits.items()} == {1: 0, 3: 0, 5: 0}


def test_no_samples_no_interval() -> None:
    assert share_interval(0.5, 10, BootstrapSpec(samples=0)) is None
