"""The project task over a real folder store: what it writes, what it refuses, and that a cut run ends the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from opendlign_core.projection import RECIPES, ProjectionExecution, ProjectionRecipe, project
from opendlign_core.recipe import Recipe
from opendlign_core.samples import decode_depth
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.shards import encode_array, sample_key
from storage.stores import Store, open_store
from tasks import project as stage
from tasks.progress import tracking
from tasks.shards import ShardWork, StagePlan, building, finish
from tests.projection.shapes import blob

RECIPE = RECIPES["opendlign"].replace(size=32, views=RECIPES["opendlign"].views[:3])
CPU = ProjectionExecution(device="cpu", batch_size=2)


class Blobs(Recipe):
    spoilt: tuple[int, ...] = ()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def cloud(number: int, spoilt: tuple[int, ...]) -> NDArray[np.float32]:
    points: NDArray[np.float32] = blob(200 + number, number).numpy()
    if number in spoilt:
        points[3] = np.nan
    return points


def write_clouds(store: Store, spoilt: tuple[int, ...] = ()) -> Manifest:
    output, plan = StageOutput(store, StageIdentity.of("ingest", 1, Blobs(spoilt=spoilt))), plan_shards(6, 3)
    for shard in plan:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                meta = {"object_id": f"blobs/{number}", "split": "train", "label": "blob", "caption": "a blob"}
                fields = {"points.npy": encode_array(cloud(number, spoilt))}
                builder.add(sample_key(meta["object_id"]), fields, meta)
    return finish(output, plan, max_rejected_share=0.0)


def build(planned: StagePlan, clouds: Manifest, recipe: ProjectionRecipe = RECIPE) -> None:
    work = ShardWork(planned.output.store.url, planned.output.identity, planned.missing)
    stage.project_shard.fn(work, recipe, CPU, clouds)


def test_every_cloud_becomes_its_depth_maps(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    clouds = write_clouds(store)
    planned = stage.plan(store, RECIPE, clouds)
    build(planned, clouds)
    with SampleReader(store, stage.commit(planned, CPU)) as reader:
        samples = list(reader)
    assert [sample.json()["object_id"] for sample in samples] == [f"blobs/{number}" for number in range(6)]
    for number, sample in enumerate(samples):
        expected = project(cloud(number, ())[None], RECIPE)[0].numpy()
        assert np.abs(decode_depth(sample.fields["depth.npy"]) - expected).max() <= 1 / 131070 + 1e-9
        assert (sample.json()["views"], sample.json()["size"]) == (3, 32)
        assert sample.json()["caption"] == "a blob"


def test_a_spoilt_cloud_is_a_row_with_its_reason_and_harms_nobody(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    clouds, clean = write_clouds(store, spoilt=(1,)), write_clouds(store)
    with tracking("project", 6) as progress:
        build(stage.plan(store, RECIPE, clouds), clouds)
    assert progress.counts["rejected"] == 1
    planned = stage.plan(store, RECIPE, clouds)
    manifest = stage.commit(planned, ProjectionExecution(device="cpu", max_rejected_share=0.5))
    rejected = [sample for record in manifest.shards for sample in record.rejected]
    assert [sample.id for sample in rejected] == ["blobs/1"]
    assert "NaN or infinite" in rejected[0].reason

    build(stage.plan(store, RECIPE, clean), clean)
    whole = stage.commit(stage.plan(store, RECIPE, clean), CPU)
    depths = {}
    for name, output in (("spoilt", manifest), ("clean", whole)):
        with SampleReader(store, output) as reader:
            depths[name] = {sample.key: sample.fields["depth.npy"] for sample in reader}
    missing = set(depths["clean"]) - set(depths["spoilt"])
    assert missing == {sample_key("blobs/1")}
    assert all(depths["clean"][key] == stored for key, stored in depths["spoilt"].items())


def test_too_many_spoilt_clouds_stop_the_stage(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    clouds = write_clouds(store, spoilt=(0, 1, 2, 3))
    planned = stage.plan(store, RECIPE, clouds)
    build(planned, clouds)
    with pytest.raises(Exception, match="rejected"):
        stage.commit(planned, CPU)


def test_a_lost_shard_is_built_again_with_the_same_bytes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    clouds = write_clouds(store)
    build(stage.plan(store, RECIPE, clouds), clouds)
    written = {info.key: store.read(info.key) for info in store.list(stage.STAGE)}
    for key in [key for key in written if "shard-000001" in key]:
        store.delete(key)
    planned = stage.plan(store, RECIPE, clouds)
    assert [shard.index for shard in planned.missing] == [1]
    build(planned, clouds)
    assert {info.key: store.read(info.key) for info in store.list(stage.STAGE)} == written
