"""Planning, building and finishing shards, against a real folder store."""

import numpy as np
import pytest
from pydantic import BaseModel

from opendlign_core.samples import Cloud, CloudMeta
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.store import Store
from tasks.shards import (
    MOST_TASK_RUNS,
    StagePlan,
    TooManyRejected,
    building,
    finish,
    follow_shards,
    split_work,
    stage_seconds,
)


class Colour(BaseModel):
    name: str = "red"


@pytest.fixture
def output(store: Store) -> StageOutput:
    return StageOutput(store, StageIdentity.of("paint", 1, Colour()))


def dot(name: str, label: str = "") -> Cloud:
    """The smallest of clouds."""
    return Cloud(CloudMeta(object_id=name, source="dots", split="train", label=label), np.zeros((1, 3), np.float32))


def build(output: StageOutput, index: int, samples: int = 2, rejected: int = 0) -> None:
    shard = plan_shards(100, 2)[index]
    with building(output, shard) as builder:
        for place in range(samples):
            builder.add(dot(f"{index}-{place}", label=f"l{place}"))
        for place in range(rejected):
            builder.reject(f"bad-{index}-{place}", "no points")


def test_a_plan_names_exactly_the_missing_shards(output: StageOutput) -> None:
    shards = plan_shards(10, 2)
    build(output, 1)
    build(output, 3)
    planned = StagePlan.look(output, shards)
    assert [shard.index for shard in planned.missing] == [0, 2, 4]
    parts = [planned.part(index, 2) for index in range(2)]
    assert sorted(shard.index for part in parts for shard in part) == [0, 2, 4]


def test_an_error_inside_a_shard_leaves_nothing_behind(output: StageOutput) -> None:
    with pytest.raises(RuntimeError, match="mid-shard"), building(output, plan_shards(2, 2)[0]) as builder:
        builder.add(dot("a"))
        raise RuntimeError("mid-shard")
    assert list(output.store.list()) == []


def test_a_finished_stage_counts_splits_labels_and_rejections(output: StageOutput) -> None:
    build(output, 0)
    build(output, 1, samples=1, rejected=1)
    manifest = finish(output, plan_shards(4, 2), max_rejected_share=0.5)
    assert (manifest.samples, manifest.rejected) == (3, 1)
    assert manifest.summary == {"labels": {"l0": 2, "l1": 1}, "splits": {"train": 3}}
    with SampleReader(output.store, manifest) as reader:
        assert [sample.key for sample in reader] == ["0-0", "0-1", "1-0"]


def test_too_many_rejections_withhold_the_manifest_and_name_examples(output: StageOutput) -> None:
    for index in range(20):
        build(output, index, samples=1, rejected=1)
    with pytest.raises(TooManyRejected, match=r"20 of 40 .* bad-0-0: no points"):
        finish(output, plan_shards(40, 2), max_rejected_share=0.4)
    assert output.manifest() is None
    assert finish(output, plan_shards(40, 2), max_rejected_share=0.5).rejected == 20


def test_a_stage_of_a_few_samples_may_lose_one(output: StageOutput) -> None:
    build(output, 0, samples=1, rejected=1)
    assert finish(output, plan_shards(2, 2), max_rejected_share=0.05).rejected == 1


def test_a_stage_that_lost_everything_fails(output: StageOutput) -> None:
    build(output, 0, samples=0, rejected=1)
    with pytest.raises(TooManyRejected):
        finish(output, plan_shards(1, 1), max_rejected_share=0.05)


def test_many_shards_share_task_runs_and_none_is_lost() -> None:
    shards = plan_shards(1003, 1)
    work = split_work(shards)
    assert len(work) <= MOST_TASK_RUNS
    assert tuple(shard for unit in work for shard in unit) == shards
    assert split_work(shards[:3]) == [(shard,) for shard in shards[:3]]
    assert split_work(()) == []


def test_a_following_stage_has_the_shards_of_its_upstream(output: StageOutput) -> None:
    build(output, 0)
    build(output, 1, samples=1)
    manifest = finish(output, plan_shards(4, 2), max_rejected_share=0)
    assert [(shard.start, shard.stop) for shard in follow_shards(manifest)] == [(0, 2), (2, 3)]


def test_seconds_are_noted_beside_the_output_and_not_in_it(output: StageOutput) -> None:
    build(output, 0)
    seconds, samples = stage_seconds(output.store, output.folder)
    assert samples == 2
    assert seconds >= 0
    assert not [info for info in output.store.list(output.folder) if "timing" in info.key]
