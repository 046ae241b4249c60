"""Features travel to every process and gradients back to their owners, each its own slice."""

import pytest
import torch
import torch.distributed as dist

from opendlign_core.loop.distributed import World, gather_features, sum_gradients
from opendlign_core.loop.order import share_of

FEATURES = torch.arange(10.0).view(5, 2)
COUNTS = [3, 2]
WEIGHTS = torch.tensor([[1.0], [10.0], [100.0], [1000.0], [10000.0]])


def as_rank(rank: int, monkeypatch: pytest.MonkeyPatch) -> World:
    """This process as one of two, the other of which has sent its padded features already."""

    def all_gather(parts: list[torch.Tensor], own: torch.Tensor) -> None:
        for other, part in enumerate(parts):
            mine = FEATURES[:3] if other == 0 else FEATURES[3:]
            part.zero_()
            part[: len(mine)] = mine
        assert torch.equal(own, parts[rank])

    monkeypatch.setattr(dist, "all_gather", all_gather)
    return World(rank, 2)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_gradient_returns_to_the_process_that_owns_the_features(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world = as_rank(rank, monkeypatch)
    rows = slice(0, 3) if rank == 0 else slice(3, 5)
    own = FEATURES[rows].clone().requires_grad_(True)
    gathered = gather_features(own, COUNTS, world)
    assert torch.equal(gathered, FEATURES)
    torch.autograd.backward((gathered * WEIGHTS).sum())
    assert own.grad is not None
    assert torch.equal(own.grad, WEIGHTS[rows].expand(-1, 2))


def test_a_process_alone_sends_nothing() -> None:
    assert gather_features(FEATURES, [5], World()) is FEATURES
    sum_gradients([torch.nn.Parameter(torch.zeros(1))], World())


@pytest.mark.parametrize(("size", "ranks"), [(10, 3), (1, 2), (2, 4), (60, 8)])
def test_shares_cover_a_batch_once_in_order(size: int, ranks: int) -> None:
    batch = torch.arange(size).numpy()
    parts = [share_of(batch, rank, ranks) for rank in range(ranks)]
    assert [index for part in parts for index in part] == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
