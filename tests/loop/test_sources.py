"""The order of training data is a pure function, whatever holds it."""

import numpy as np
import pytest
import torch

from opendlign_core.loop import InMemory, Sharded
from opendlign_core.loop.order import epoch_order, steps_per_epoch
from opendlign_core.loop.sources import none_of
from opendlign_core.training import Objects
from tests.training import tiny

SIZES = (4, 4, 4, 3)


def test_an_order_is_a_permutation_that_depends_on_seed_and_epoch() -> None:
    order = epoch_order(SIZES, 42, 0)
    assert sorted(order) == list(range(15))
    assert np.array_equal(order, epoch_order(SIZES, 42, 0))
    assert not np.array_equal(order, epoch_order(SIZES, 42, 1))
    assert not np.array_equal(order, epoch_order(SIZES, 43, 0))


def test_a_windowed_order_touches_one_group_of_shards_at_a_time() -> None:
    order = epoch_order(SIZES, 0, 0, shuffle_shards=2)
    assert sorted(order) == list(range(15))
    shards = order // 4
    first = set(shards[:7]) if 3 in shards[:7] else set(shards[:8])
    assert len(first) == 2
    assert len(set(order[:7] // 4)) == 2
    assert len(np.flatnonzero(np.diff(shards[:7]))) > 1, "objects of the two shards must be mixed"


def test_shards_are_loaded_once_per_window_and_forgotten() -> None:
    objects = tiny.objects(15)
    loads: list[int] = []

    def load(shard: int) -> Objects:
        loads.append(shard)
        return Objects(*(tensor[4 * shard : 4 * shard + SIZES[shard]] for tensor in objects))

    source, memory = Sharded(load, SIZES, keep=3), InMemory(objects)
    order = epoch_order(SIZES, 0, 0, shuffle_shards=2)
    for start in range(0, 15, 4):
        batch = order[start : start + 4]
        for mine, theirs in zip(source.batch(batch), memory.batch(batch), strict=True):
            assert torch.equal(mine, theirs)
    assert sorted(loads) == [0, 1, 2, 3]


def test_a_shard_of_the_wrong_length_is_named() -> None:
    source = Sharded(lambda shard: tiny.objects(3), SIZES, keep=1)
    with pytest.raises(ValueError, match="shard 0 holds 3 objects where 4 were listed"):
        source.batch(np.array([1]))


def test_arrays_must_agree_on_their_length() -> None:
    depth, images = tiny.objects(4)
    with pytest.raises(ValueError, match="4, 3"):
        InMemory(Objects(depth, images[:3]))


def test_the_last_partial_batch_is_a_step() -> None:
    assert steps_per_epoch(SIZES, 4) == 4
    assert steps_per_epoch(SIZES, 15) == 1


def test_no_objects_are_a_batch_of_the_same_kind() -> None:
    objects = tiny.objects(4)
    nothing = none_of(objects)
    assert type(nothing) is Objects
    assert [tensor.shape for tensor in nothing] == [(0, *tensor.shape[1:]) for tensor in objects]
