"""What one method gained over another on the same objects."""

import numpy as np
import pytest

from opendlign_core.evaluation.findings import ScoredObjects
from opendlign_core.evaluation.paired import gains_over, paired_share
from opendlign_core.evaluation.specs import BootstrapSpec
from tests.evaluation.report_case import scored_objects

SPEC = BootstrapSpec(samples=4000)


def test_the_interval_is_of_the_difference_on_each_object() -> None:
    """Against resampling the objects themselves; two separate intervals would be four times as wide."""
    rng = np.random.default_rng(3)
    before = rng.random(400) < 0.6
    after = before | (rng.random(400) < 0.05)
    found = paired_share(before, after, SPEC)
    rows = rng.integers(400, size=(4000, 400))
    drawn = after[rows].mean(axis=1) - before[rows].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.value == pytest.approx(after.mean() - before.mean())
    assert found.low == pytest.approx(low, abs=0.004)
    assert found.high == pytest.approx(high, abs=0.004)


def test_every_other_method_is_held_against_the_named_one() -> None:
    scored = [scored_objects("modelnet40", method, skill, 7) for method, skill in (("a", 3.0), ("frozen", 1.5))]
    (gain,) = gains_over("frozen", scored, SPEC)
    assert (gain.dataset, gain.method, gain.against, gain.objects) == ("modelnet40", "a", "frozen", 400)
    assert gain.share.value == pytest.approx((gain.won - gain.lost) / 400)
    assert gain.is_shown and gain.won > gain.lost


def test_other_objects_are_not_compared() -> None:
    first, other = scored_objects("modelnet40", "a", 3.0, 7), scored_objects("modelnet40", "frozen", 3.0, 7)
    fewer = ScoredObjects(
        **{
            **dict(other),
            "object_ids": other.object_ids[:-1],
            "labels": other.labels[:-1],
            "scores": other.scores[:-1],
        }
    )
    assert list(gains_over("frozen", [first, fewer], SPEC)) == []


def test_no_interval_shows_nothing() -> None:
    scored = [scored_objects("modelnet40", method, skill, 7) for method, skill in (("a", 3.0), ("frozen", 1.5))]
    (gain,) = gains_over("frozen", scored, BootstrapSpec(samples=0))
    assert gain.share.low is None and not gain.is_shown
