"""The ingest stage without an engine: one source, in a folder and in a bucket, into stores of both kinds."""

import csv
import json
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from opendlign_core.ingestion import IngestExecution, IngestRecipe, SourceSpec
from opendlign_core.ingestion.procedural import category_parts
from opendlign_core.samples import Cloud
from storage.fetch import Fetcher
from storage.records import Manifest
from storage.store import Store
from storage.stores import open_store
from tasks.catalog import CATALOG
from tasks.files import StoreFiles
from tasks.ingest import INGEST
from tasks.listing import list_source, source_files
from tasks.shards import TooManyRejected
from tests.tasks.board import Board
from tests.tasks.making import make
from tests.tasks.test_files import Counting

pytestmark = pytest.mark.server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four rows: a cloud, a row of a pack, a file that is no shape and one that is not there."""
    folder, random = tmp_path / "source", np.random.default_rng(0)
    folder.mkdir()
    np.save(folder / "mug.npy", random.normal(size=(300, 3)).astype(np.float32))
    with h5py.File(folder / "pack.h5", "w") as pack:
        pack["data"] = random.normal(size=(2, 64, 3)).astype(np.float32)
    (folder / "broken.obj").write_text("this is no shape")
    rows = [("mug.npy", "mug"), ("broken.obj", "cup"), ("pack.h5#1", "bowl"), ("gone.obj", "cup")]
    with (folder / "shapes.csv").open("w") as stream:
        csv.writer(stream).writerows([("uri", "label"), *rows])
    return folder


def recipe(url: str) -> IngestRecipe:
    return IngestRecipe(source=SourceSpec(adapter="list", url=url), points=128, shard_size=2)


def run(store: Store, wanted: IngestRecipe, allowed: float = 0.5) -> Manifest:
    return make(INGEST, store, wanted, execution=IngestExecution(workers=1, max_rejected_share=allowed))


def contents(store: Store) -> dict[str, bytes]:
    return {info.key: store.read(info.key) for info in store.list("ingest")}


def test_a_bucket_and_a_folder_give_the_same_bytes_wherever_the_source_lies(
    bucket: str, source: Path, tmp_path: Path
) -> None:
    for path in source.iterdir():
        open_store(f"{bucket}/source").put_file(path, path.name)
    here, there = open_store(tmp_path / "store"), open_store(f"{bucket}/store")
    run(here, recipe(f"{bucket}/source"))
    run(there, recipe(str(source)))
    assert contents(here) == contents(there)
    assert len(contents(here)) == 9  # two tars, two records, two catalogs, the joined one, identity, manifest


def test_the_catalog_lists_the_rejected_with_their_reasons(source: Path, store: Store) -> None:
    manifest = run(store, recipe(str(source)))
    assert (manifest.samples, manifest.rejected) == (2, 2)
    with Fetcher(store) as fetcher:
        rows = CATALOG.read(fetcher.path(manifest, manifest.file("catalog")))
    assert [row["object_id"] for row in rows] == [
        "list/mug.npy", "list/broken.obj", "list/pack.h5/1", "list/gone.obj"
    ]  # fmt: skip
    assert [row["points"] for row in rows] == [300, None, 64, None]
    assert [row["padded"] for row in rows] == [False, None, True, None]
    assert [bool(row["rejected"]) for row in rows] == [False, True, False, True]
    assert "gone.obj" in rows[3]["rejected"]
    assert (rows[2]["uri"], rows[2]["label"], rows[2]["caption"]) == ("pack.h5#1", "bowl", "a bowl")


def test_parts_lie_in_the_shards_only_where_the_recipe_keeps_them(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    toys = SourceSpec(adapter="procedural", options={"objects": "1"})
    for keep in (False, True):
        manifest = run(store, IngestRecipe(source=toys, points=128, keep_parts=keep))
        with Fetcher(store) as fetcher, tarfile.open(fetcher.path(manifest, manifest.shards[0].shard)) as shard:
            streams = {name.partition(".")[2]: shard.extractfile(name) for name in shard.getnames()}
            fields = {name: stream.read() for name, stream in streams.items() if stream is not None}
            cloud = Cloud.read("procedural%2F0-000000-chair", fields)
        if keep:
            assert cloud.meta.part_names == category_parts("chair")
            assert cloud.parts is not None and set(cloud.parts) == {0, 1, 2}
        else:
            assert cloud.parts is None and b"part_names" not in fields["json"]


NEEDLE = b"OFF\n6 3 0\n0 0 0\n1 0 0\n1 0 1\n0 0 1\n0 2 0\n0.001 0 0\n3 0 1 2\n3 0 2 3\n3 0 5 4\n"
"""A square with a needle on it that points by area do not reach."""


def test_what_sampling_loses_is_told_and_what_it_keeps_is_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, store = tmp_path / "source", open_store(tmp_path / "store")
    source.mkdir()
    (source / "needle.off").write_bytes(NEEDLE)
    told = {}
    for sampling in ("area", "stratified"):
        caplog.clear()
        spec = SourceSpec(adapter="folder", url=str(source))
        manifest = run(store, IngestRecipe(source=spec, points=500, sampling=sampling))
        with Fetcher(store) as fetcher, tarfile.open(fetcher.path(manifest, manifest.shards[0].shard)) as shard:
            stream = shard.extractfile(next(name for name in shard.getnames() if name.endswith(".json")))
            assert stream is not None
            told[sampling] = (json.load(stream).get("shrinkage"), caplog.text)
    assert told["stratified"] == (0.0, "")
    assert told["area"][0] is None
    assert "1 of 1 objects lost over 1 % of their extent to sampling, most of all folder/needle.off" in told["area"][1]


def test_it_shows_counts_and_clouds(source: Path, store: Store) -> None:
    board = Board()
    INGEST.show(store, run(store, recipe(str(source))), board)
    assert board.names == set(INGEST.shows)
    assert {"by": "label", "value": "bowl", "objects": 1} in board.tables["counts"]
    assert board.tables["counts"][-1] == {"by": "rejected", "value": "all", "objects": 2}


def test_too_many_rejections_are_told_and_another_run_with_more_patience_ends_well(source: Path, store: Store) -> None:
    with pytest.raises(TooManyRejected, match=r"2 of 4 .*max_rejected_share.* list/broken.obj"):
        run(store, recipe(str(source)), allowed=0.25)
    before = contents(store)
    manifest = run(store, recipe(str(source)))
    assert manifest.rejected == 2
    assert before.items() < contents(store).items()


def test_what_lies_in_the_source_counts_and_where_it_lies_does_not(source: Path, tmp_path: Path) -> None:
    def fingerprint(folder: Path) -> str:
        wanted = recipe(str(folder))
        return INGEST.identify(wanted, {}, list_source(wanted)).fingerprint

    before = fingerprint(source)
    moved = source.rename(tmp_path / "moved")
    assert fingerprint(moved) == before
    np.save(moved / "mug.npy", np.zeros((301, 3), np.float32))
    assert fingerprint(moved) != before


def test_an_empty_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    wanted = IngestRecipe(source=SourceSpec(adapter="folder", url=str(tmp_path / "empty")))
    with pytest.raises(ValueError, match="no files"):
        list_source(wanted)


def test_a_bucket_that_was_hashed_once_is_not_read_for_a_plan(bucket: str, source: Path) -> None:
    for path in source.iterdir():
        open_store(f"{bucket}/again").put_file(path, path.name)
    wanted = recipe(f"{bucket}/again")
    before = list_source(wanted)
    with source_files(wanted) as files:
        assert isinstance(files, StoreFiles)
        counting = Counting(files)
        assert list_source(wanted, files) == before
    assert not counting.opened
    open_store(f"{bucket}/again").put_file(source / "pack.h5", "mug.npy")
    assert list_source(wanted).digest != before.digest
