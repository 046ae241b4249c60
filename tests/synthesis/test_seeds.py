from opendlign_core.synthesis import image_seed


def test_seeds_are_the_same_on_every_machine() -> None:
    assert image_seed(0, "shapes/chair", 3) == 3518729412174484733
    assert image_seed(0, "shapes/chair", 3, attempt=1) != image_seed(0, "shapes/chair", 3)


def test_seeds_fit_a_signed_integer() -> None:
    assert all(0 <= image_seed(number, f"ä/{number}", number) < 2**63 for number in range(500))


def test_every_part_of_the_identity_changes_the_seed() -> None:
    seeds = {
        image_seed(seed, key, view, attempt)
        for seed in (0, 1)
        for key in "ab"
        for view in (0, 1)
        for attempt in (0, 1)
    }
    assert len(seeds) == 16
