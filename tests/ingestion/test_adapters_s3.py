"""Adapters on a bucket: the same entries and the same points as from a folder."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from opendlign_core.ingestion import SourceSpec, list_entries, read_shape
from storage.settings import get_settings
from storage.stores import open_store
from tasks.files import open_files
from tests.servers import S3_KEY, S3_SECRET, s3_server

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3_server() as server:
        patch.setenv("OPENDLIGN_S3_ENDPOINT", server.url)
        patch.setenv("OPENDLIGN_S3_KEY", S3_KEY)
        patch.setenv("OPENDLIGN_S3_SECRET", S3_SECRET)
        patch.setenv("OPENDLIGN_S3_REGION", "us-east-1")
        get_settings.cache_clear()
        yield server.create_bucket("shapes")
    get_settings.cache_clear()


def make_tree(root: Path) -> None:
    """A ScanObjectNN pack, a folder of shapes and an npz list side by side."""
    points = np.random.default_rng(0).normal(size=(3, 32, 3)).astype(np.float32)
    (root / "scans/main_split").mkdir(parents=True)
    with h5py.File(root / "scans/main_split/test_objectdataset.h5", "w") as pack:
        pack["data"], pack["label"] = points, np.array([0, 4, 14])
    (root / "own/mug").mkdir(parents=True)
    np.save(root / "own/mug/a.npy", points[0])
    (root / "packs").mkdir()
    np.savez(root / "packs/toys.npz", points=points, labels=np.array(["mug", "cup", "cup"]))


SOURCES = {
    "scans": SourceSpec(adapter="scanobjectnn", options={"variant": "OBJ_BG"}),
    "own": SourceSpec(adapter="folder"),
    "packs": SourceSpec(adapter="list"),
}


def test_buckets_and_folders_give_the_same_objects(bucket: str, tmp_path: Path) -> None:
    make_tree(tmp_path)
    for path in sorted(tmp_path.rglob("*.*")):
        open_store(bucket).put_file(path, path.relative_to(tmp_path).as_posix())
    for folder, source in SOURCES.items():
        with open_files(str(tmp_path / folder)) as here, open_files(f"{bucket}/{folder}") as there:
            local, remote = list(list_entries(source, here)), list(list_entries(source, there))
            assert local == remote
            assert local
            for entry in local:
                clouds = [read_shape(files.local(entry.uri), entry.member) for files in (here, there)]
                first, second = (np.asarray(cloud.points) for cloud in clouds)  # type: ignore[union-attr]
                assert np.array_equal(first, second)
