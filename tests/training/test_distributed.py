"""Two processes train to the same weights as one, on batches that do not divide evenly."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from opendlign_core.loop import InMemory, World, read_metrics
from opendlign_core.training import read_branch, train
from opendlign_core.training.depth_branch.run import step_batches
from tests.training import tiny
from tests.training.ddp_worker import RUNS
from tests.training.test_run import held_out, source_for

ROOT = Path(__file__).resolve().parents[2]
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
@pytest.mark.timeout(320)
def test_two_processes_train_to_the_weights_of_one(tmp_path: Path) -> None:
    torchrun(tmp_path / "two")
    for name, changes in RUNS.items():
        recipe = tiny.recipe(**changes)
        alone = train(source_for(recipe), recipe, tiny.CPU, tmp_path / "one" / name, validation=held_out(recipe))
        expected, found = read_branch(alone.weights), read_branch(tmp_path / "two" / name / "weights.safetensors")
        assert found.step == expected.step == 12
        start = tiny.model().branch_state()
        for key, tensor in expected.tensors.items():
            torch.testing.assert_close(found.tensors[key], tensor, atol=TOLERANCE, rtol=0)
            assert key not in start or (tensor - start[key]).abs().max() > 1e-3
        rows = zip(read_metrics(alone.metrics), read_metrics(tmp_path / "two" / name / "metrics.jsonl"), strict=True)
        for mine, theirs in rows:
            assert theirs == pytest.approx(mine, abs=1e-5)


def test_each_process_mirrors_the_objects_that_one_process_would() -> None:
    objects, recipe = tiny.objects(7), tiny.recipe(trainer="plain", augment="flip", batch_size=5)
    whole = step_batches(InMemory(objects), recipe, World())
    shares = [step_batches(InMemory(objects), recipe, World(rank, 3)) for rank in range(3)]
    for step in range(whole.steps):
        parts = [batches.at(step).batch for batches in shares]
        assert torch.equal(torch.cat([part.depth for part in parts]), whole.at(step).batch.depth)
        assert torch.equal(torch.cat([part.images for part in parts]), whole.at(step).batch.images)
    unflipped = step_batches(InMemory(objects), tiny.recipe(trainer="plain", batch_size=5), World())
    assert not torch.equal(whole.at(0).batch.depth, unflipped.at(0).batch.depth)
