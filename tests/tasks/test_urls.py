"""A finished output through the URLs that are told of it, from a folder and from a bucket."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from opendlign_core.samples import Cloud, CloudMeta, TornShard, open_webdataset
from storage.fingerprint import StageIdentity
from storage.local import LocalStore
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.s3 import S3Store
from storage.settings import Settings
from storage.store import Store
from tasks.shards import building, finish
from tasks.urls import shard_urls
from tests.servers import S3_KEY, S3_SECRET, S3Server

pytestmark = [
    pytest.mark.filterwarnings("ignore:Exception ignored in.*:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]
OBJECTS = [f"blobs/{number}" for number in range(4)]


def write_clouds(store: Store) -> Manifest:
    """Three shards: two samples, none, two samples."""
    output = StageOutput(store, StageIdentity(stage="ingest", version=1, recipe={}, upstream={}))
    plan = plan_shards(6, 2)
    for shard, taken in zip(plan, (OBJECTS[:2], [], OBJECTS[2:]), strict=True):
        with building(output, shard) as builder:
            for object_id in taken:
                meta = CloudMeta(object_id=object_id, source="blobs", split="train")
                builder.add(Cloud(meta, np.zeros((3, 3), np.float32)))
    return finish(output, plan, max_rejected_share=0.0)


def read(urls: list[str]) -> list[str]:
    return [cloud.meta.object_id for cloud in open_webdataset(urls, Cloud)]


def test_a_folder_tells_paths(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    urls = shard_urls(store, write_clouds(store))
    assert [Path(url).parent.parent for url in urls] == [tmp_path / "store" / "ingest"] * 2
    assert read(urls) == OBJECTS


@pytest.mark.server
def test_a_bucket_tells_signed_urls(s3: S3Server) -> None:
    settings = Settings(
        s3_endpoint=s3.url, s3_key=SecretStr(S3_KEY), s3_secret=SecretStr(S3_SECRET), s3_region="us-east-1"
    )
    store = S3Store(f"{s3.create_bucket('urls')}/some where", settings)
    urls = shard_urls(store, write_clouds(store))
    assert all(url.startswith(s3.url) and "X-Amz-Signature=" in url for url in urls)
    assert S3_SECRET not in "".join(urls)
    assert read(urls) == OBJECTS
    with pytest.raises(TornShard, match=r"shard-999999.*could not be read to the end"):
        read([urls[0].replace("shard-000000", "shard-999999")])
