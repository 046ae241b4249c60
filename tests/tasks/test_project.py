"""The project task over a real folder store: what it writes, what it refuses, and that a cut run ends the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from opendlign_core.projection import RECIPES, ProjectionExecution, project
from opendlign_core.recipe import Recipe
from opendlign_core.samples import Cloud, CloudMeta, DepthMaps, sample_key
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.stores import Store, open_store
from tasks.ports import Input
from tasks.progress import StageProgress
from tasks.project import PROJECT
from tasks.shards import TooManyRejected, building, finish
from tests.projection.shapes import blob
from tests.tasks.running import build_output

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
                meta = CloudMeta(object_id=f"blobs/{number}", source="blobs", split="train", caption="a blob")
                builder.add(Cloud(meta, cloud(number, spoilt)))
    return finish(output, plan, max_rejected_share=0.0)


def project_all(
    store: Store, clouds: Manifest, allowed: float = 0.05, progress: StageProgress | None = None
) -> Manifest:
    execution = CPU.model_copy(update={"max_rejected_share": allowed})
    return build_output(PROJECT, store, RECIPE, execution, {"clouds": [Input(clouds)]}, progress=progress)


def test_every_cloud_becomes_its_depth_maps(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with SampleReader(store, project_all(store, write_clouds(store))) as reader:
        found = [DepthMaps.read(sample.key, sample.fields) for sample in reader]
    assert [depth.meta.object_id for depth in found] == [f"blobs/{number}" for number in range(6)]
    for number, depth in enumerate(found):
        expected = project(cloud(number, ())[None], RECIPE)[0].numpy()
        assert np.abs(depth.maps() - expected).max() <= 1 / 131070 + 1e-9
        assert (depth.meta.views, depth.meta.size, depth.meta.caption) == (3, 32, "a blob")


def test_a_spoilt_cloud_is_a_row_with_its_reason_and_harms_nobody(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    progress = StageProgress("project", 6)
    spoilt = project_all(store, write_clouds(store, spoilt=(1,)), 0.5, progress)
    assert (progress.done, progress.counts["rejected"]) == (6, 1)
    rejected = [sample for record in spoilt.shards for sample in record.rejected]
    assert [sample.id for sample in rejected] == ["blobs/1"]
    assert "NaN or infinite" in rejected[0].reason

    depths = {}
    for name, output in (("spoilt", spoilt), ("clean", project_all(store, write_clouds(store)))):
        with SampleReader(store, output) as reader:
            depths[name] = {sample.key: sample.fields["depth.npy"] for sample in reader}
    assert set(depths["clean"]) - set(depths["spoilt"]) == {sample_key("blobs/1")}
    assert all(depths["clean"][key] == stored for key, stored in depths["spoilt"].items())


def test_too_many_spoilt_clouds_stop_the_stage(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(TooManyRejected, match="4 of 6 samples were rejected"):
        project_all(store, write_clouds(store, spoilt=(0, 1, 2, 3)))


def test_a_lost_shard_is_built_again_with_the_same_bytes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    clouds = write_clouds(store)
    project_all(store, clouds)
    written = {info.key: store.read(info.key) for info in store.list("project")}
    lost = [key for key in written if "shard-000001" in key or key.endswith("manifest.json")]
    assert len(lost) == 3
    for key in lost:
        store.delete(key)
    progress = StageProgress("project", 3)
    project_all(store, clouds, progress=progress)
    assert progress.done == 3, "the other shard stays as it is"
    assert {info.key: store.read(info.key) for info in store.list("project")} == written
