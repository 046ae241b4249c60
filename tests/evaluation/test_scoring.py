"""From view features to scores, by hand: which branch sees which view, and how views add up."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from opendlign_core.evaluation import MethodSpec, NotFinite
from opendlign_core.evaluation.classification import scoring
from opendlign_core.evaluation.classification.scoring import aggregate, score, view_features, views_of_count
from opendlign_core.evaluation.features import FeaturePlan, Floats, ViewFeatures, plan_for


def floats(*values: object) -> Floats:
    found: Floats = np.asarray(values, np.float32)
    return found


def features(objects: int = 2, views: int = 4, width: int = 3, seed: int = 0) -> ViewFeatures:
    """Every view through both branches, unit vectors drawn from a seed."""
    rng = np.random.default_rng(seed)
    base, depth = (rng.normal(size=(objects, views, width)).astype(np.float32) for _ in range(2))
    base, depth = (part / np.linalg.norm(part, axis=-1, keepdims=True) for part in (base, depth))
    every = tuple(range(views))
    ids = tuple(f"set/{number}" for number in range(objects))
    unpainted = np.zeros((objects, 0, 0), np.float32)
    return ViewFeatures(ids, (None,) * objects, FeaturePlan(every, every), base, depth, unpainted)


def planned(method: MethodSpec, views: int) -> ViewFeatures:
    """Only the views that the method's plan asks for."""
    whole, plan = features(views=views), plan_for(method, views)
    base, depth = whole.base[:, list(plan.base)], whole.depth[:, list(plan.depth)]
    return ViewFeatures(whole.object_ids, whole.labels, plan, base, depth, whole.images)


def test_branches_get_the_views_that_their_method_plans() -> None:
    plans = {name: plan_for(MethodSpec(name="m", branches=name), 5) for name in ("split", "base", "depth", "both")}
    assert plans["split"] == FeaturePlan((0, 1), (2, 3, 4)), "the half, rounded down, is frozen"
    assert plans["base"] == FeaturePlan((0, 1, 2, 3, 4), ())
    assert plans["depth"] == FeaturePlan((), (0, 1, 2, 3, 4))
    assert plans["both"] == FeaturePlan((0, 1, 2, 3, 4), (0, 1, 2, 3, 4))
    union = plans["split"].union(FeaturePlan((1, 2), ()))
    assert union == FeaturePlan((0, 1, 2), (2, 3, 4))
    assert list(union.groups()) == [((0, 1), True, False), ((3, 4), False, True), ((2,), True, True)]
    assert list(FeaturePlan((0,), (0,)).groups()) == [((0,), True, True)]


@pytest.mark.parametrize("views", [1, 4, 5])
def test_each_view_comes_from_its_branch(views: int) -> None:
    whole, half = features(views=views), views // 2
    split = MethodSpec(name="m")
    expected = np.concatenate([whole.base[:, :half], whole.depth[:, half:]], axis=1)
    assert_allclose(view_features(planned(split, views), split), expected)
    for branch in ("base", "depth"):
        method = MethodSpec(name="m", branches=branch)
        assert_allclose(view_features(planned(method, views), method), getattr(whole, branch))
    both = MethodSpec(name="m", branches="both")
    mean = whole.base + whole.depth
    found = view_features(planned(both, views), both)
    assert_allclose(found, mean / np.linalg.norm(mean, axis=-1, keepdims=True), rtol=1e-6)


def test_some_of_the_views_keep_their_branch_and_order() -> None:
    whole, split = features(views=6), MethodSpec(name="m")
    found = view_features(planned(split, 6), split, [1, 2, 3, 5])
    expected = np.stack([whole.base[:, 1], whole.base[:, 2], whole.depth[:, 3], whole.depth[:, 5]], axis=1)
    assert_allclose(found, expected)
    with pytest.raises(KeyError, match=r"views \[4\] were not extracted through the base branch"):
        planned(split, 6).of("base", [0, 4])


def test_taking_rows_keeps_everything_together() -> None:
    whole = features(3)
    some = whole.take(np.array([2, 0]))
    assert some.object_ids == ("set/2", "set/0")
    assert_allclose(some.base, whole.base[[2, 0]])
    assert_allclose(some.depth, whole.depth[[2, 0]])
    assert len(some) == 2


def test_the_reference_sums_softmaxes_without_temperature() -> None:
    cosines = floats([[0.0, np.log(3)], [np.log(2), np.log(2)]])  # one object, two views, two classes
    assert_allclose(aggregate(cosines, "reference"), [[0.25 + 0.5, 0.75 + 0.5]], rtol=1e-6)
    shifted = aggregate(cosines + 500, "reference")
    assert_allclose(shifted, aggregate(cosines, "reference"), rtol=1e-4)


def test_the_paper_sums_cosines() -> None:
    assert_allclose(aggregate(floats([[0.1, 0.4], [0.2, 0.3]]), "paper"), [[0.3, 0.7]], rtol=1e-6)


def test_pointclip_v2_weighs_views_and_divides_by_the_root_of_their_number() -> None:
    cosines = floats([[0.1, 0.4], [0.2, 0.3], [0.0, 0.1], [0.4, 0.0]])
    assert_allclose(aggregate(cosines, "pointclip-v2"), [[0.7 * 50, 0.8 * 50]], rtol=1e-5)
    weighted = aggregate(cosines, "pointclip-v2", (1.0, 0.5, 0.0, 0.25))
    assert_allclose(weighted, [[0.3 * 50, 0.55 * 50]], rtol=1e-5)


def test_scores_are_those_of_each_object_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_ROWS", 3)
    whole, method = features(8), MethodSpec(name="m", branches="base")
    text = features(views=1, objects=5, seed=1).base[:, 0]
    together = score(whole, text, method)
    assert together.shape == (8, 5)
    for row in range(8):
        assert_allclose(together[[row]], score(whole.take(np.array([row])), text, method), rtol=1e-6)
    assert_allclose(together, aggregate(whole.base @ text.T, "reference"), rtol=1e-6)


def test_the_weights_of_chosen_views_are_used() -> None:
    weights = (1.0, 0.5, 0.25, 0.75)
    method = MethodSpec(name="m", branches="base", aggregation="pointclip-v2", view_weights=weights)
    whole, text = features(), features(views=1, objects=5, seed=1).base[:, 0]
    found = score(whole, text, method, [1, 3])
    assert_allclose(found, aggregate(whole.base[:, [1, 3]] @ text.T, "pointclip-v2", (0.5, 0.75)), rtol=1e-6)
    assert_allclose(score(whole, text, method), aggregate(whole.base @ text.T, "pointclip-v2", weights), rtol=1e-6)


def test_a_score_that_is_no_number_names_object_and_method() -> None:
    whole, text = features(), features(views=1, objects=5, seed=1).base[:, 0]
    weights = (1, 1, 1, float("inf"))
    broken = MethodSpec(name="broken", branches="base", aggregation="pointclip-v2", view_weights=weights)
    with pytest.raises(NotFinite, match="set/0: method 'broken' gives scores"):
        score(whole, text, broken)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        (1, [[0]]),
        (2, [[1], [0, 1]]),
        (3, [[2], [0, 2], [0, 1, 2]]),
        (6, [[4], [1, 4], [1, 3, 5], [0, 2, 3, 5], [0, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]),
    ],
)
def test_fewer_views_are_spread_over_both_halves(views: int, expected: list[list[int]]) -> None:
    assert [views_of_count(count, views) for count in range(1, views + 1)] == expected
    for count in (0, views + 1):
        with pytest.raises(ValueError, match=f"{count} views asked for, the depth maps have {views}"):
            views_of_count(count, views)
