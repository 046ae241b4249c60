"""Linear probes: they read what features know of a pose, and are chosen on photos that are not reported."""

import numpy as np
import pytest
import torch

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.pose.probing.choices import ProbeSpec
from opendlign_core.evaluation.pose.probing.features import ProbeFeatures, blocks_read
from opendlign_core.evaluation.pose.probing.training import ProbePhotos, best_head, told_by, train_bank
from opendlign_core.pose import mirrored

SPEC = ProbeSpec(epochs=20, batch=32, rates=(1e-5, 0.1))


def knowing(count: int, seed: int, block: int = 3) -> ProbePhotos:
    """Features of a four-block encoder, one block of which holds the angles; the others are noise."""
    generator = np.random.default_rng(seed)
    angles = generator.uniform(0, 2 * np.pi, (count, 3))

    def features(turned: np.ndarray) -> ProbeFeatures:
        classes = generator.standard_normal((count, 4, 36)).astype(np.float32)
        waves = [wave(k * turned) for wave in (np.sin, np.cos) for k in range(1, 7)]
        classes[:, block] = 3 * np.concatenate(waves, 1)
        return ProbeFeatures(torch.from_numpy(classes), torch.zeros(count, 36), (0, 1, 2, 3), 4)

    return ProbePhotos(features(angles), angles, features(mirrored(angles)))


def test_the_best_head_finds_the_angles_and_slow_heads_do_not() -> None:
    bank = train_bank(knowing(600, 0), SPEC)
    errors = told_by(bank, knowing(200, 1), SPEC)
    shares = [100 * (each < np.pi / 6).mean() for each in errors]
    best = SPEC.heads()[best_head(errors)]
    assert best.rate == 0.1 and max(shares) > 80
    slow = [share for share, head in zip(shares, SPEC.heads(), strict=True) if head.rate == 1e-5]
    assert max(slow) < 40


def test_what_only_an_earlier_block_knows_is_hidden_from_heads_that_read_the_last() -> None:
    photos, unseen = knowing(600, 0, block=1), knowing(200, 1, block=1)
    errors = told_by(train_bank(photos, SPEC), unseen, SPEC)
    found = {(h.reading.blocks, h.rate): (e < np.pi / 6).mean() for e, h in zip(errors, SPEC.heads(), strict=True)}
    assert found["1_last", 0.1] < 0.2 < 0.7 < found["4_last", 0.1]


def test_half_of_what_is_learnt_is_mirrored() -> None:
    """Features that are noise where mirrored teach less than features that are right there."""
    photos = knowing(300, 0)
    noise = ProbeFeatures(torch.randn_like(photos.plain.classes), torch.zeros(300, 36), (0, 1, 2, 3), 4)
    spoilt = ProbePhotos(photos.plain, photos.angles, noise)
    unseen = knowing(200, 1)
    right, wrong = (
        max((e < np.pi / 6).mean() for e in told_by(train_bank(p, SPEC), unseen, SPEC)) for p in (photos, spoilt)
    )
    assert right > wrong + 0.1
    alone = SPEC.model_copy(update={"flip": False})
    unflipped = max((e < np.pi / 6).mean() for e in told_by(train_bank(spoilt, alone), unseen, alone))
    assert unflipped > wrong + 0.1


def test_shallow_encoders_are_refused_by_heads_that_read_four_blocks() -> None:
    with pytest.raises(BadInput, match="3 blocks"):
        blocks_read(ProbeSpec().readings(), 3)
    assert blocks_read(ProbeSpec(blocks=("1_last",)).readings(), 3) == (2,)
