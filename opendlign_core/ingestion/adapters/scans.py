"""Scanned objects: ScanObjectNN and OmniObject3D."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opendlign_core.articles import article
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.listing import Listing, label_at
from opendlign_core.ingestion.adapters.spec import Adapter, Found
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.labels import SCANOBJECTNN, plain_label
from opendlign_core.ingestion.list_reader import ListReader
from opendlign_core.ingestion.recipe import SourceSpec

VARIANTS = {
    "OBJ_ONLY": ("main_split_nobg", "objectdataset.h5"),
    "OBJ_BG": ("main_split", "objectdataset.h5"),
    "PB_T50_RS": ("main_split", "objectdataset_augmentedrot_scale75.h5"),
}
"""Folder and file ending of each variant; the files start with `training_` or `test_`."""

_SPLITS = (("train", "training"), ("test", "test"))


def _scanobjectnn(source: SourceSpec, files: Files) -> Iterator[Found]:
    variant = source.option("variant", "PB_T50_RS").upper()
    if variant not in VARIANTS:
        raise BadInput(f"ScanObjectNN has no variant {variant!r}; it has {', '.join(VARIANTS)}")
    folder, ending = VARIANTS[variant]
    listing = Listing(files)
    packs = [(split, listing.find(f"{folder}/{start}_{ending}")) for split, start in _SPLITS]
    with ListReader() as reader:
        for split, key in ((split, key) for split, key in packs if key is not None):
            for row, index in enumerate(reader.labels(files.local(key), key)):
                label = label_at(SCANOBJECTNN, index, key)
                yield Found(f"{variant}-{split}-{row:05d}", split, label, key, row, article(label))


def _omniobject3d(source: SourceSpec, files: Files) -> Iterator[Found]:
    listing, wanted = Listing(files), source.number("points", 0)
    count = wanted or r"\d+"
    clouds = listing.match(rf"(?P<label>[^/]+)/(?P<name>[^/]+)/pcd_(?P<points>{count})\.ply")
    scans = listing.match(r"(?P<label>[^/]+)/(?P<name>[^/]+)/Scan/Scan\.obj")
    for keys in (clouds, scans):
        finest = {found["name"]: (key, found) for key, found in _coarse_first(keys)}
        if finest:
            for name in sorted(finest):
                key, found = finest[name]
                label = plain_label(found["label"])
                yield Found(name, "test", label, key, caption=article(label))
            return
    yield from _omniobject3d_packs(listing, wanted)


def _coarse_first(keys: Iterable[tuple[str, re.Match[str]]]) -> list[tuple[str, re.Match[str]]]:
    """Sorted by their number of points, so that later ones replace coarser ones of the same object."""
    return sorted(keys, key=lambda item: int(item[1].groupdict().get("points", 0)))


def _omniobject3d_packs(listing: Listing, wanted: int) -> Iterator[Found]:
    """Rows of `<points>/<category>_<points>.hdf5`, whose objects have no names of their own."""
    packs = {
        (m["label"], int(m["points"])): key for key, m in listing.match(r"(?P<label>[^/]+)_(?P<points>\d+)\.hdf5")
    }
    finest = max((points for _, points in packs), default=0)
    chosen = wanted or finest
    with ListReader() as reader:
        for name, key in sorted((name, key) for (name, points), key in packs.items() if points == chosen):
            label = plain_label(name)
            dataset, rows = reader.clouds(listing.files.local(key), key)
            for row in range(rows):
                yield Found(f"{name}-{row:04d}", "test", label, key, f"{dataset}:{row}", article(label))


SCANOBJECTNN_H5: Adapter = Adapter(
    name="scanobjectnn",
    title="ScanObjectNN",
    layout="main_split_nobg/{training,test}_objectdataset.h5 (OBJ_ONLY), main_split/{training,test}_objectdataset.h5"
    " (OBJ_BG), main_split/{training,test}_objectdataset_augmentedrot_scale75.h5 (PB_T50_RS)",
    split="file",
    label="`label`, in the order of the 15 official names",
    caption="`a <label>`",
    find=_scanobjectnn,
    up_axis="y",
    licence="ScanObjectNN: research use only",
    options=(("variant", "`OBJ_ONLY`, `OBJ_BG` or `PB_T50_RS` (default)"),),
)

OMNIOBJECT3D: Adapter = Adapter(
    name="omniobject3d",
    title="OmniObject3D",
    layout="<category>/<object>/pcd_<points>.ply, or <category>/<object>/Scan/Scan.obj, or <category>_<points>.hdf5",
    split="all `test`",
    label="category",
    caption="`a <label>`",
    find=_omniobject3d,
    licence="CC-BY-4.0",
    options=(("points", "resolution of the clouds, such as `4096`; the finest when left out"),),
)
