"""Two processes train to the same weights as one, on batches that do not divide evenly."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from opendlign_core.loop import EpochBatches, InMemory, World, read_metrics
from opendlign_core.loop.order import share_sizes
from opendlign_core.training import read_branch, train
from tests.training import tiny
from tests.training.test_run import held_out, source_for

ROOT = Path(__file__).resolve().parents[2]
# Ten objects in batches of 3: the last batch of an epoch holds one object, so the second process has none.
TOLERANCE = 2e-6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun(folder: Path) -> None:
    launch = ["--nproc_per_node=2", "--nnodes=1", "--master_addr=127.0.0.1", f"--master_port={free_port()}"]
    worker = ["-m", "tests.training.ddp_worker", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *launch, *worker],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.timeout(320)
def test_two_processes_train_to_the_weights_of_one(tmp_path: Path) -> None:
    torchrun(tmp_path / "two")
    for kind in ("cached", "plain"):
        recipe = tiny.recipe(trainer=kind, batch_size=3, temperature="learned")
        alone = train(source_for(recipe), recipe, tiny.CPU, tmp_path / "one" / kind, validation=held_out(recipe))
        expected, found = read_branch(alone.weights), read_branch(tmp_path / "two" / kind / "weights.safetensors")
        assert found.step == expected.step == 12
        start = tiny.model().branch_state()
        for name, tensor in expected.tensors.items():
            torch.testing.assert_close(found.tensors[name], tensor, atol=TOLERANCE, rtol=0)
            assert name not in start or (tensor - start[name]).abs().max() > 1e-3
        rows = zip(read_metrics(alone.metrics), read_metrics(tmp_path / "two" / kind / "metrics.jsonl"), strict=True)
        for mine, theirs in rows:
            assert theirs == pytest.approx(mine, abs=1e-5)


@pytest.mark.parametrize(("size", "ranks"), [(10, 3), (1, 2), (2, 4), (60, 8)])
def test_shares_cover_a_batch_once_in_order(size: int, ranks: int) -> None:
    sizes = share_sizes(size, ranks)
    assert sum(sizes) == size
    assert max(sizes) - min(sizes) <= 1
    source = InMemory(tiny.objects())
    parts = [EpochBatches(source, size, 1, seed=0, world=World(rank, ranks)).at(0) for rank in range(ranks)]
    whole = EpochBatches(source, size, 1, seed=0).at(0)
    assert [part.size for part in parts] == [whole.size] * ranks
    assert torch.equal(torch.cat([part.batch.depth for part in parts]), whole.batch.depth)
