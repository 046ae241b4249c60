"""Scores along the surface: what neighbours and groups of points agree on."""

import numpy as np
import torch

from opendlign_core.evaluation.segmentation.choices import AnswerSpec
from opendlign_core.evaluation.segmentation.refinement import grouped, refined, smoothed


def two_heaps() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(50, 3)) * 0.1, rng.normal(size=(50, 3)) * 0.1 + 5]).astype(np.float32)


def scores_with_a_slip(slip: int) -> torch.Tensor:
    """The first heap is part 0, the second part 1; one point of the first is taken for part 1."""
    scores = torch.zeros(100, 2)
    scores[:50, 0] = scores[50:, 1] = 1.0
    scores[slip] = torch.tensor([0.0, 1.0])
    return scores


def test_a_slip_is_mended_by_those_around_it_and_heaps_do_not_mix() -> None:
    expected = [0] * 50 + [1] * 50
    everyone = torch.ones(100, dtype=torch.bool)
    for better, _ in (
        smoothed(scores_with_a_slip(7), everyone, two_heaps(), 9),
        grouped(scores_with_a_slip(7), everyone, two_heaps(), 2),
    ):
        assert better.argmax(1).tolist() == expected
    alone, _ = smoothed(scores_with_a_slip(7), everyone, two_heaps(), 1)
    assert torch.equal(alone, scores_with_a_slip(7))


def test_points_that_nobody_sees_have_no_say_and_are_spoken_for() -> None:
    scores, seen = scores_with_a_slip(7), torch.ones(3, 100, dtype=torch.bool)
    seen[:, :40] = False
    scores[:40] = torch.tensor([0.0, 9.0])
    better, voice = refined(scores, seen, two_heaps(), AnswerSpec(name="x", superpoints=2))
    assert voice.all() and better.argmax(1).tolist() == [0] * 50 + [1] * 50
    _, unheard = smoothed(scores, torch.zeros(100, dtype=torch.bool), two_heaps(), 5)
    assert not unheard.any()


def test_as_many_groups_as_points_change_nothing() -> None:
    everyone = torch.ones(100, dtype=torch.bool)
    same, _ = grouped(scores_with_a_slip(3), everyone, two_heaps(), 500)
    torch.testing.assert_close(same, scores_with_a_slip(3))
