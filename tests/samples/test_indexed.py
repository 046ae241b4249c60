"""Shards by number: a data set that torch's loader and samplers take, and the same bytes as other readers give."""

from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from opendlign_core.errors import BadInput
from opendlign_core.samples import Painted, ShardDataset
from storage.shards import ShardWriter
from tests.samples.test_streaming import EACH, EVERY, SHARDS, ids, painted


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("shards")
    for shard in range(SHARDS):
        with ShardWriter(folder / f"shard-{shard}.tar") as writer:
            for object_id in EVERY[shard * EACH : (shard + 1) * EACH]:
                writer.add(painted(object_id).key, painted(object_id).fields())
    return sorted(folder.glob("*.tar"))


def test_every_sample_has_a_number(paths: list[Path]) -> None:
    samples = ShardDataset(paths)
    assert len(samples) == len(EVERY)
    assert ids(samples) == EVERY
    assert samples[-1]["__key__"] == "toys%2F29%2Ex"
    assert ids(samples[3:5]) == EVERY[3:5]
    with pytest.raises(IndexError):
        samples[len(EVERY)]


def test_samples_come_typed(paths: list[Path]) -> None:
    seventh = ShardDataset(paths, Painted)[7]
    assert isinstance(seventh, Painted)
    assert np.array_equal(seventh.maps(), painted(EVERY[7]).maps())


def test_a_loader_shuffles_and_batches_them(paths: list[Path]) -> None:
    loader: DataLoader[list[str]] = DataLoader(
        ShardDataset(paths, Painted),  # type: ignore[arg-type]
        batch_size=4,
        shuffle=True,
        collate_fn=lambda batch: [sample.meta.object_id for sample in batch],
    )
    seen = [object_id for batch in loader for object_id in batch]
    assert sorted(seen) == EVERY and seen != EVERY


def test_what_is_no_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.tar").write_bytes(b"no archive" * 100)
    for name in ("torn.tar", "absent.tar"):
        with pytest.raises(BadInput, match=f"{name} is no shard that can be read"):
            ShardDataset([tmp_path / name])
