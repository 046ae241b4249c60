import pytest

from opendlign_core.synthesis import SynthesisRecipe, estimate_cost


def test_the_papers_data_set_at_thirty_images_a_second() -> None:
    cost = estimate_cost(SynthesisRecipe(), 30, objects=52_470, views=10, bytes_per_image=10_000)
    assert cost.images == 524_700
    assert cost.gpu_hours == pytest.approx(4.858, abs=1e-3)
    assert cost.image_bytes == 5_247_000_000
    assert cost.shards == 146
    assert cost.shard_seconds == pytest.approx(120)
    assert cost.sentence() == (
        "524,700 images: 4.86 device hours (108,000 images per device hour) and 5.25 GB in 146 shards; "
        "a lost worker costs at most 120 s of work."
    )


def test_small_runs_lose_no_more_than_they_are() -> None:
    assert estimate_cost(SynthesisRecipe(), 2, objects=3, views=10).shard_seconds == 15


def test_a_rate_must_be_measured() -> None:
    with pytest.raises(ValueError, match="measure"):
        estimate_cost(SynthesisRecipe(), 0, 1, 1)
