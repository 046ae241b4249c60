"""Where programs that know nothing of stores read a finished output."""

from datetime import timedelta

from storage.records import Manifest
from storage.store import SHARED_FOR, Store


def shard_urls(store: Store, manifest: Manifest, lifetime: timedelta = SHARED_FOR) -> list[str]:
    """Paths, or signed URLs good for `lifetime`, of an output's shards in order; shards without samples are left out.

    What `opendlign_core.samples.open_webdataset` takes.
    """
    return [
        store.share_url(f"{manifest.folder}/{record.shard.file}", lifetime)
        for record in manifest.shards
        if record.samples
    ]
