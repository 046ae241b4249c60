"""The project stage over a real folder store: what it writes, what it refuses, and that a cut run ends the same."""

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign_core.projection import RECIPES, ProjectionExecution, project
from opendlign_core.recipe import Recipe
from opendlign_core.samples import Cloud, CloudMeta, DepthMaps, sample_key
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.reader import SampleReader
from storage.records import Manifest
from storage.store import Store
from tasks.progress import ProgressState
from tasks.project import PROJECT
from tasks.shards import TooManyRejected, building, finish
from tests.projection.shapes import blob
from tests.tasks.board import Board
from tests.tasks.making import at_work, build, make, plan

RECIPE = RECIPES["opendlign"].replace(size=32, views=RECIPES["opendlign"].views[:3])
CPU = ProjectionExecution(device="cpu", batch_size=2)


class Blobs(Recipe):
    spoilt: tuple[int, ...] = ()


def cloud(number: int, spoilt: tuple[int, ...]) -> NDArray[np.float32]:
    points: NDArray[np.float32] = blob(200 + number, number).numpy()
    if number in spoilt:
        points[3] = np.nan
    return points


def write_clouds(store: Store, spoilt: tuple[int, ...] = ()) -> Manifest:
    output, shards = StageOutput(store, StageIdentity.of("ingest", 1, Blobs(spoilt=spoilt))), plan_shards(6, 3)
    for shard in shards:
        with building(output, shard) as builder:
            for number in range(shard.start, shard.stop):
                meta = CloudMeta(object_id=f"blobs/{number}", source="blobs", split="train", caption="a blob")
                builder.add(Cloud(meta, cloud(number, spoilt)))
    return finish(output, shards, max_rejected_share=0.0)


@pytest.fixture(scope="module")
def clouds(shared: Store) -> Manifest:
    return write_clouds(shared)


@pytest.fixture(scope="module")
def depths(shared: Store, clouds: Manifest) -> Manifest:
    return make(PROJECT, shared, RECIPE, {"clouds": clouds}, CPU)


def test_every_cloud_becomes_its_depth_maps(shared: Store, depths: Manifest) -> None:
    with SampleReader(shared, depths) as reader:
        samples = [DepthMaps.read(sample.key, sample.fields) for sample in reader]
    assert [sample.meta.object_id for sample in samples] == [f"blobs/{number}" for number in range(6)]
    for number, sample in enumerate(samples):
        expected = project(cloud(number, ())[None], RECIPE)[0].numpy()
        assert np.abs(sample.maps() - expected).max() <= 1 / 131070 + 1e-9
        assert (sample.meta.views, sample.meta.size) == (3, 32)
        assert sample.meta.caption == "a blob"


def test_a_spoilt_cloud_is_a_row_with_its_reason_and_harms_nobody(shared: Store, depths: Manifest) -> None:
    heard: list[ProgressState] = []
    spoilt = {"clouds": write_clouds(shared, spoilt=(1,))}
    patient = CPU.model_copy(update={"max_rejected_share": 0.5})
    manifest = make(PROJECT, shared, RECIPE, spoilt, patient, heard.append)
    assert heard[-1].counts["rejected"] == 1
    rejected = [sample for record in manifest.shards for sample in record.rejected]
    assert [sample.id for sample in rejected] == ["blobs/1"]
    assert "NaN or infinite" in rejected[0].reason

    stored = {}
    for name, output in (("spoilt", manifest), ("clean", depths)):
        with SampleReader(shared, output) as reader:
            stored[name] = {sample.key: sample.fields["depth.npy"] for sample in reader}
    assert set(stored["clean"]) - set(stored["spoilt"]) == {sample_key("blobs/1")}
    assert all(stored["clean"][key] == maps for key, maps in stored["spoilt"].items())


def test_too_many_spoilt_clouds_stop_the_stage(shared: Store) -> None:
    clouds = write_clouds(shared, spoilt=(0, 1, 2, 3))
    with pytest.raises(TooManyRejected, match="project: 4 of 6 samples were rejected"):
        make(PROJECT, shared, RECIPE, {"clouds": clouds}, CPU)


def test_a_lost_shard_is_built_again_with_the_same_bytes(store: Store) -> None:
    with at_work(PROJECT, store, RECIPE, {"clouds": write_clouds(store)}, CPU) as job:
        build(PROJECT, job)
        written = {info.key: store.read(info.key) for info in store.list("project")}
        for key in [key for key in written if "shard-000001" in key]:
            store.delete(key)
        assert [shard.index for shard in plan(PROJECT, job).missing] == [1]
        build(PROJECT, job)
    assert {info.key: store.read(info.key) for info in store.list("project")} == written


def test_what_it_shows_is_what_it_names(shared: Store, depths: Manifest) -> None:
    board = Board()
    PROJECT.show(shared, depths, board)
    assert board.names == set(PROJECT.shows)
    assert board.tables["throughput"][0] == {"measure": "samples", "value": 6}
    assert board.pictures["depth"].startswith(b"\xff\xd8")


def test_a_recipe_starts_from_a_published_one() -> None:
    assert PROJECT.spell_out({}, {}) == RECIPES["opendlign"].model_dump()
    given = {"base": "pointclip", "size": 64}
    assert PROJECT.spell_out(given, {}) == {**RECIPES["pointclip"].model_dump(), "size": 64}
    assert (PROJECT.label(given), PROJECT.label({})) == ("pointclip", "opendlign")
