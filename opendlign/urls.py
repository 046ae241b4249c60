"""`opendlign urls`: where other programs read the shards of a finished output."""

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from opendlign.ask import Changes, Source, StoreUrl, wanted_changes
from opendlign.show import console
from opendlign_core.errors import BadInput
from storage.inventory import outputs
from storage.output import load_manifest
from storage.records import Manifest
from storage.settings import get_settings
from storage.store import Store
from storage.stores import open_store
from tasks.urls import shard_urls


def urls(
    output: str,
    /,
    *,
    preset: str = "mini",
    store: StoreUrl = None,
    set_: Changes = None,
    source: Source = None,
    hours: Annotated[float, Parameter(help="How long signed URLs of a bucket stay good")] = 12,
) -> int:
    """Print a line for each shard: a path, or a signed URL of a bucket, as WebDataset reads them.

    Parameters
    ----------
    output
        A stage of the preset, or STAGE/FINGERPRINT (a beginning is enough).
    """
    opened = open_store(store or get_settings().store)
    manifest = named_output(opened, output) if "/" in output else _of_preset(opened, output, preset, set_, source)
    for url in shard_urls(opened, manifest, timedelta(hours=hours)):
        console.print(url, soft_wrap=True)
    return 0


def named_output(store: Store, name: str) -> Manifest:
    """The finished output whose folder starts so; raises `BadInput` where there are none or several."""
    found = [known for known in outputs(store) if known.folder.startswith(name)]
    if len(found) != 1:
        raise BadInput(f"{len(found)} outputs of {store.url} start with {name}; see `opendlign inspect`")
    return load_manifest(store, found[0].stage, found[0].fingerprint)


def _of_preset(store: Store, stage: str, preset: str, changes: list[str] | None, source: str | None) -> Manifest:
    from flows.preset import load_preset
    from opendlign.models import own_output

    return own_output(store, load_preset(preset, wanted_changes(changes, source)), stage)
